/* The probes as a shared library (liboutrider-usdt.so) with a stable C ABI, for engines in Rust, Go, Python and others
 * that cannot include the header. Provider name: `outrider`.
 *
 * Every function exists as a symbol; handles are opaque. While nobody watches, begin returns NULL, and every function
 * takes NULL and does nothing: a query then costs two calls.
 *
 * Ownership: a handle from a begin belongs to the caller until its end, which frees it; a handle that is never ended
 * leaks. Strings are NUL-terminated and copied (26 bytes at most are used). Units: nanoseconds of CLOCK_MONOTONIC.
 * Thread-safety: all functions may be called from any thread; one handle from one thread at a time. A handle of
 * outrider_usdt_query_begin must be ended by the thread that began it; runtimes that move their tasks between threads
 * (Go, async Rust) use outrider_usdt_detached_begin. Errors: none; without memory a query goes unreported. */
#ifndef OUTRIDER_USDT_ABI_H
#define OUTRIDER_USDT_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct outrider_usdt_query outrider_usdt_query;

/* Grows when functions are added; functions never change and never go away under this library name. */
#define OUTRIDER_USDT_ABI_VERSION 1
uint32_t outrider_usdt_abi_version(void);

/* Non-zero while somebody watches queries. */
int outrider_usdt_enabled(void);

/* Begins a query of this thread; queries nest. */
outrider_usdt_query *outrider_usdt_query_begin(const char *type);

/* Begins a query that may change threads; the calling thread is on it. */
outrider_usdt_query *outrider_usdt_detached_begin(const char *type);

/* The calling thread takes a detached query up, or puts it down. Without effect on a query of a thread. */
void outrider_usdt_query_attach(outrider_usdt_query *query);
void outrider_usdt_query_release(outrider_usdt_query *query);

/* Marks the query as failed; counts cache lookups inside it. */
void outrider_usdt_query_fail(outrider_usdt_query *query);
void outrider_usdt_query_cache(outrider_usdt_query *query, uint64_t hits, uint64_t misses);

/* Ends the query and frees the handle. Returns its duration, 0 for NULL. */
uint64_t outrider_usdt_query_end(outrider_usdt_query *query);

/* A phase of whatever query this thread works on; cache lookups outside a query, by the cache's name. */
void outrider_usdt_phase_start(const char *name);
void outrider_usdt_phase_end(const char *name);
void outrider_usdt_cache_hit(const char *name);
void outrider_usdt_cache_miss(const char *name);

#ifdef __cplusplus
}
#endif

#endif
