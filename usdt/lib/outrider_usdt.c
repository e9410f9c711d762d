#include <outrider/query.h>
#include <outrider/usdt_abi.h>
#include <stdlib.h>
#include <string.h>

/* The guard of query.h with a copy of its type: strings of other languages do not stay where they are. */
struct outrider_usdt_query {
  struct outrider_query guard;
  char type[OUTRIDER_NAME_BYTES + 1];
};

uint32_t outrider_usdt_abi_version(void) { return OUTRIDER_USDT_ABI_VERSION; }

int outrider_usdt_enabled(void) { return OUTRIDER_EITHER_ENABLED(query__start, query__end) ? 1 : 0; }

static outrider_usdt_query *new_query(const char *type) {
  outrider_usdt_query *query = calloc(1, sizeof(*query));

  if (!query) return NULL;
  if (type) strncpy(query->type, type, OUTRIDER_NAME_BYTES);
  query->guard.flags = OUTRIDER_ARMED;
  return query;
}

outrider_usdt_query *outrider_usdt_query_begin(const char *type) {
  outrider_usdt_query *query = outrider_usdt_enabled() ? new_query(type) : NULL;

  if (query) outrider_query_start_(&query->guard, query->type, NULL, 0);
  return query;
}

outrider_usdt_query *outrider_usdt_detached_begin(const char *type) {
  outrider_usdt_query *query = outrider_usdt_enabled() ? new_query(type) : NULL;

  if (query) outrider_detached_start_(&query->guard, query->type);
  return query;
}

static int is_detached(const outrider_usdt_query *query) {
  return query && (query->guard.id & OUTRIDER_DETACHED_ID) != 0;
}

void outrider_usdt_query_attach(outrider_usdt_query *query) {
  if (is_detached(query) && OUTRIDER_PROBE_ENABLED(query__switch)) outrider_emit_query_switch(query->guard.id);
}

void outrider_usdt_query_release(outrider_usdt_query *query) {
  if (is_detached(query) && OUTRIDER_PROBE_ENABLED(query__switch)) outrider_emit_query_switch(0);
}

void outrider_usdt_query_fail(outrider_usdt_query *query) {
  if (query) outrider_query_fail(&query->guard);
}

void outrider_usdt_query_cache(outrider_usdt_query *query, uint64_t hits, uint64_t misses) {
  if (query) outrider_query_cache(&query->guard, hits, misses);
}

uint64_t outrider_usdt_query_end(outrider_usdt_query *query) {
  uint64_t duration_ns;

  if (!query) return 0;
  outrider_query_end(&query->guard);
  duration_ns = query->guard.duration_ns;
  free(query);
  return duration_ns;
}

void outrider_usdt_phase_start(const char *name) {
  if (OUTRIDER_PROBE_ENABLED(phase__start)) outrider_emit_phase_start(name);
}

void outrider_usdt_phase_end(const char *name) {
  if (OUTRIDER_PROBE_ENABLED(phase__end)) outrider_emit_phase_end(name);
}

void outrider_usdt_cache_hit(const char *name) { outrider_cache_hit(name); }

void outrider_usdt_cache_miss(const char *name) { outrider_cache_miss(name); }
