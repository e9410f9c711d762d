/* Query guards for C (C99 and later; C++ may use them, but has better in query.hpp).
 *
 *     struct outrider_query q;
 *     outrider_query_begin(&q, "factual");
 *     ...                                   outrider_query_cache(&q, 1, 0);  outrider_query_fail(&q);
 *     outrider_query_end(&q);
 *
 * A guard is an automatic variable: it is begun and ended by the thread, and in the function, that declares it. Skipped
 * by a longjmp it just never ends, and is reported as abandoned. Queries that change threads, live in an event loop or
 * in a coroutine use outrider_detached instead.
 *
 * Strings are not copied: `type` and names must live until the guard ends; at most 26 bytes of them are used.
 * Units: nanoseconds of CLOCK_MONOTONIC. Thread-safety: a guard belongs to one thread at a time. Errors: none.
 * Cost while nobody watches: two loads, an or and a branch. */
#ifndef OUTRIDER_QUERY_H
#define OUTRIDER_QUERY_H

#include <stdint.h>

#include "thread_state.h"
#include "usdt.h"

#if !OUTRIDER_PROBES_AVAILABLE
#include <time.h>
#endif

#if defined(__GNUC__)
#define OUTRIDER_IN_PLACE_FN_ OUTRIDER_FN_ __attribute__((always_inline))
#else
#define OUTRIDER_IN_PLACE_FN_ OUTRIDER_FN_
#endif

#define OUTRIDER_ARMED 1u /* somebody watched when it began: its end will be reported */
#define OUTRIDER_TIMED 2u /* the engine wants the times itself, watched or not */
#define OUTRIDER_FAILED 4u

#define OUTRIDER_DETACHED_ID (UINT64_C(1) << 63)

/* One query. Fields are the library's to write; an engine may read them. */
struct outrider_query {
  const char *type;
  uint64_t id; /* 0 unless armed; bit 63 set: detached */
  uint64_t depth;
  uint64_t start_ns;    /* after the start probe; meaningful if armed or timed */
  uint64_t duration_ns; /* from start_ns to before the end probe; set by the end */
  uint64_t hits;
  uint64_t misses;
  unsigned flags;
};

/* A query that may change threads. It may live anywhere, in the heap too. */
struct outrider_detached {
  struct outrider_query query;
};

/* A phase of a query, on one thread. */
struct outrider_phase {
  const char *name;
  unsigned armed;
};

#if OUTRIDER_PROBES_AVAILABLE
OUTRIDER_EXTERN_C_BEGIN_
/* The C library's clock_gettime under a name of our own: <time.h> hides it in strict ISO C, and an include must not
 * depend on the feature macros of the file it is in. */
struct outrider_timespec {
  uint64_t seconds;
  uint64_t nanoseconds;
};
extern int outrider_clock_gettime_(int clock, struct outrider_timespec *time) __asm__("clock_gettime");
OUTRIDER_EXTERN_C_END_
#endif

OUTRIDER_BEGIN_DECLS_

/* The guards' clock: CLOCK_MONOTONIC in nanoseconds. */
OUTRIDER_FN_ uint64_t outrider_now_ns(void) {
#if OUTRIDER_PROBES_AVAILABLE
  struct outrider_timespec now = {0, 0};
  outrider_clock_gettime_(1 /* CLOCK_MONOTONIC */, &now);
  return now.seconds * 1000000000u + now.nanoseconds;
#elif defined(CLOCK_MONOTONIC)
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return OUTRIDER_CAST_(uint64_t, now.tv_sec) * 1000000000u + OUTRIDER_CAST_(uint64_t, now.tv_nsec);
#else
  return OUTRIDER_CAST_(uint64_t, clock()) * (1000000000u / CLOCKS_PER_SEC);
#endif
}

/* The parts that run only while somebody watches, or for an engine's own record; out of line, to keep them out of the
 * engine's hot code. `end` and `caller` as in thread_state.h. */
OUTRIDER_OUTLINE_FN_ void outrider_query_start_(struct outrider_query *q, const char *type, const void *end,
                                                uintptr_t caller) {
  q->type = type;
  q->id = q->depth = q->duration_ns = 0;
#if OUTRIDER_PROBES_AVAILABLE
  if (q->flags & OUTRIDER_ARMED) {
    q->id = outrider_next_id_();
    q->depth = outrider_enter_(q, end, caller, __builtin_frame_address(0));
    if (OUTRIDER_PROBE_ENABLED(query__start)) outrider_emit_query_start(q->id, type, q->depth);
  }
#else
  (void)end;
  (void)caller;
#endif
  q->start_ns = outrider_now_ns();
}

OUTRIDER_OUTLINE_FN_ void outrider_query_stop_(struct outrider_query *q) {
  unsigned flags = q->flags;

  q->duration_ns = outrider_now_ns() - q->start_ns;
  q->flags = flags & OUTRIDER_FAILED;
#if OUTRIDER_PROBES_AVAILABLE
  if (!(flags & OUTRIDER_ARMED)) return;
  if (!(q->id & OUTRIDER_DETACHED_ID)) outrider_leave_(q, q->depth);
  if (OUTRIDER_PROBE_ENABLED(query__end))
    outrider_emit_query_end(q->id, q->type, (flags & OUTRIDER_FAILED) ? 1 : 0, q->duration_ns, q->depth, q->hits,
                            q->misses);
#endif
}

/* Begins a query on this thread. */
OUTRIDER_IN_PLACE_FN_ void outrider_query_begin(struct outrider_query *q, const char *type) {
  q->hits = q->misses = 0;
  q->flags = 0;
#if OUTRIDER_PROBES_AVAILABLE
  if (OUTRIDER_EITHER_ENABLED(query__start, query__end)) {
    q->flags = OUTRIDER_ARMED;
    outrider_query_start_(q, type, OUTRIDER_FRAME_END_(), OUTRIDER_CALLER_());
  }
#else
  (void)type;
#endif
}

/* Begins a query and takes its times even if nobody watches, for the engine's own record: after the end start_ns and
 * duration_ns are set, and are the very numbers that the watcher got. Costs two clock reads always. */
OUTRIDER_IN_PLACE_FN_ void outrider_query_begin_timed(struct outrider_query *q, const char *type) {
  q->hits = q->misses = 0;
  q->flags = OUTRIDER_TIMED;
#if OUTRIDER_PROBES_AVAILABLE
  if (OUTRIDER_EITHER_ENABLED(query__start, query__end)) q->flags |= OUTRIDER_ARMED;
  outrider_query_start_(q, type, OUTRIDER_FRAME_END_(), OUTRIDER_CALLER_());
#else
  outrider_query_start_(q, type, 0, 0);
#endif
}

/* Marks the query as failed. */
OUTRIDER_FN_ void outrider_query_fail(struct outrider_query *q) { q->flags |= OUTRIDER_FAILED; }

/* Counts cache lookups inside the query; they ride on its end, without a trap of their own. */
OUTRIDER_FN_ void outrider_query_cache(struct outrider_query *q, uint64_t hits, uint64_t misses) {
  q->hits += hits;
  q->misses += misses;
}

/* Ends the query; a second end does nothing. */
OUTRIDER_FN_ void outrider_query_end(struct outrider_query *q) {
  if (__builtin_expect((q->flags & (OUTRIDER_ARMED | OUTRIDER_TIMED)) != 0, 0)) outrider_query_stop_(q);
}

#if OUTRIDER_PROBES_AVAILABLE
OUTRIDER_OUTLINE_FN_ void outrider_unwound_(const void *end, uintptr_t caller) {
  outrider_drop_dead_guards_(0, end, caller, __builtin_frame_address(0));
}
#endif

/* To be called where a sigsetjmp returned non-zero: forgets the guards of all functions that were jumped out of.
 * Without it nearly all are found when the next query begins; with it, all are. */
OUTRIDER_IN_PLACE_FN_ void outrider_unwound(void) {
#if OUTRIDER_PROBES_AVAILABLE
  if (OUTRIDER_EITHER_ENABLED(query__start, query__end)) outrider_unwound_(OUTRIDER_FRAME_END_(), OUTRIDER_CALLER_());
#endif
}

OUTRIDER_OUTLINE_FN_ void outrider_detached_start_(struct outrider_query *q, const char *type) {
  q->type = type;
  q->id = q->depth = q->duration_ns = 0;
#if OUTRIDER_PROBES_AVAILABLE
  if (q->flags & OUTRIDER_ARMED) {
    q->id = outrider_next_id_() | OUTRIDER_DETACHED_ID;
    q->depth = 1;
    if (OUTRIDER_PROBE_ENABLED(query__start)) outrider_emit_query_start(q->id, type, q->depth);
  }
#endif
  q->start_ns = outrider_now_ns();
}

/* Begins a detached query; the calling thread is on it. `timed` non-zero: take the times in any case. */
OUTRIDER_FN_ void outrider_detached_begin(struct outrider_detached *d, const char *type, int timed) {
  d->query.hits = d->query.misses = 0;
  d->query.flags = timed ? OUTRIDER_TIMED : 0;
  if (OUTRIDER_EITHER_ENABLED(query__start, query__end)) d->query.flags |= OUTRIDER_ARMED;
  if (d->query.flags) outrider_detached_start_(&d->query, type);
}

/* The calling thread takes the query up. */
OUTRIDER_FN_ void outrider_detached_attach(struct outrider_detached *d) {
  if (OUTRIDER_PROBE_ENABLED(query__switch) && (d->query.flags & OUTRIDER_ARMED))
    outrider_emit_query_switch(d->query.id);
}

/* The calling thread puts the query down, to be taken up by any thread, later or never. */
OUTRIDER_FN_ void outrider_detached_release(struct outrider_detached *d) {
  if (OUTRIDER_PROBE_ENABLED(query__switch) && (d->query.flags & OUTRIDER_ARMED)) outrider_emit_query_switch(0);
}

/* As for outrider_query. The end may come from any thread, on the query or not; a second end does nothing. */
OUTRIDER_FN_ void outrider_detached_fail(struct outrider_detached *d) { outrider_query_fail(&d->query); }
OUTRIDER_FN_ void outrider_detached_cache(struct outrider_detached *d, uint64_t hits, uint64_t misses) {
  outrider_query_cache(&d->query, hits, misses);
}
OUTRIDER_FN_ void outrider_detached_end(struct outrider_detached *d) { outrider_query_end(&d->query); }

/* Begins and ends a phase of whatever query this thread works on. */
OUTRIDER_FN_ void outrider_phase_begin(struct outrider_phase *phase, const char *name) {
  phase->armed = OUTRIDER_EITHER_ENABLED(phase__start, phase__end) ? 1 : 0;
  if (!phase->armed) return;
  phase->name = name;
  if (OUTRIDER_PROBE_ENABLED(phase__start)) outrider_emit_phase_start(name);
}
OUTRIDER_FN_ void outrider_phase_end(struct outrider_phase *phase) {
  if (__builtin_expect(phase->armed != 0, 0) && OUTRIDER_PROBE_ENABLED(phase__end))
    outrider_emit_phase_end(phase->name);
  phase->armed = 0;
}

/* A cache lookup outside any query, or one that is to be seen by the cache's name. Inside a query prefer
 * outrider_query_cache, which costs no trap; never report the same lookup both ways. */
OUTRIDER_FN_ void outrider_cache_hit(const char *name) {
  if (OUTRIDER_PROBE_ENABLED(cache__hit)) outrider_emit_cache_hit(name);
}
OUTRIDER_FN_ void outrider_cache_miss(const char *name) {
  if (OUTRIDER_PROBE_ENABLED(cache__miss)) outrider_emit_cache_miss(name);
}

OUTRIDER_END_DECLS_

#endif
