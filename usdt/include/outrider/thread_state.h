/* What the query guards keep per thread: the stack of open guards, from which a query's depth comes, and a source of
 * query ids. An implementation detail of query.h; touched only while somebody watches.
 *
 * A longjmp leaves guards behind that never end. They are found when the next one begins, by what cannot be true of a
 * live one: its address is the new guard's own; it lies below the running function, in stack that was given back; or it
 * was a local variable of a function that did not call, and is not, the present one. No memory of an older guard is
 * ever read, since it may be gone, and a guard that is not on the stack at all is never taken for dead. */
#ifndef OUTRIDER_THREAD_STATE_H
#define OUTRIDER_THREAD_STATE_H

#include <stdint.h>

#include "usdt.h"

#define OUTRIDER_TRACKED_DEPTH 16    /* guards deeper than this are counted, not remembered */
#define OUTRIDER_IDS_PER_BLOCK 4096u /* a thread fetches its ids in blocks, with one atomic operation each */

/* Addresses are compared, never followed. */
struct outrider_open_guard {
  const void *guard;
  const void *bottom; /* dead once the stack ends above this; null: not on the stack */
  const void *end;    /* where its function's frame ends; null: not a local variable of that function */
  uintptr_t caller;   /* where that function returns to */
};

struct outrider_thread_state {
  uint64_t next_id;
  uint64_t depth;
  struct outrider_open_guard open[OUTRIDER_TRACKED_DEPTH];
};

#if OUTRIDER_PROBES_AVAILABLE
/* A place above the local variables of a function and below its caller's, and where it returns to. Macros, because they
 * must see the frame of the function that holds the guard. A frame record is mostly above the local variables; GCC for
 * arm64 has it below them, and the canonical frame address is what lies above. */
#if defined(__aarch64__) && defined(__GNUC__) && !defined(__clang__)
#define OUTRIDER_FRAME_END_() OUTRIDER_CAST_(const void *, __builtin_dwarf_cfa())
#else
#define OUTRIDER_FRAME_END_() \
  OUTRIDER_CAST_(const void *, OUTRIDER_CAST_(const uintptr_t *, __builtin_frame_address(0)) + 1)
#endif
#define OUTRIDER_CALLER_() OUTRIDER_ADDRESS_(__builtin_return_address(0))

OUTRIDER_EXTERN_C_BEGIN_
/* Weak: one per link unit, and shared between a program and the libraries it links, so that a library's query inside a
 * program's query is at depth 2. The name carries the layout's version: two layouts must never meet. */
extern __thread struct outrider_thread_state outrider_thread_state_v1;
__attribute__((weak, visibility("default"))) __thread struct outrider_thread_state outrider_thread_state_v1;
extern uint64_t outrider_id_blocks_v1;
__attribute__((weak, visibility("default"))) uint64_t outrider_id_blocks_v1;
OUTRIDER_EXTERN_C_END_

OUTRIDER_BEGIN_DECLS_

/* An id that no other query in flight in this process has: 41 bits that count, below 22 bits (the page that the
 * counter lies on) for libraries that were opened privately and so have a counter of their own. Bit 63 stays clear, and
 * it is never 0. */
OUTRIDER_FN_ uint64_t outrider_next_id_(void) {
  struct outrider_thread_state *thread = &outrider_thread_state_v1;
  uint64_t unit = (OUTRIDER_ADDRESS_(&outrider_id_blocks_v1) >> 12) & 0x3fffffu;

  if (thread->next_id % OUTRIDER_IDS_PER_BLOCK == 0)
    thread->next_id = __atomic_fetch_add(&outrider_id_blocks_v1, 1, __ATOMIC_RELAXED) * OUTRIDER_IDS_PER_BLOCK + 1;
  return (unit << 41) | (thread->next_id++ & 0x1ffffffffffu);
}

OUTRIDER_FN_ int outrider_is_dead_(const struct outrider_open_guard *open, const void *end, uintptr_t caller,
                                   const void *frame) {
  if (open->bottom && open->bottom < frame) return 1;
  return open->end && (open->end < end || (open->end == end && open->caller != caller));
}

/* Forgets the guards that a longjmp left behind, and those nested in them. end, caller: of the function that calls, or
 * begins `guard`; frame: of a function that it called, so that every live guard lies above. */
OUTRIDER_FN_ void outrider_drop_dead_guards_(const void *guard, const void *end, uintptr_t caller, const void *frame) {
  struct outrider_thread_state *thread = &outrider_thread_state_v1;
  uint64_t tracked = thread->depth < OUTRIDER_TRACKED_DEPTH ? thread->depth : OUTRIDER_TRACKED_DEPTH;
  uint64_t live;

  for (live = 0; live < tracked; live++)
    if (thread->open[live].guard == guard || outrider_is_dead_(&thread->open[live], end, caller, frame)) break;
  if (live < tracked) thread->depth = live;
}

/* Puts a guard on the thread's stack and returns its depth, 1 for the outermost. `end` is null for a guard that lives
 * in the heap. A guard may be the local variable of a caller of the function that begins it (a member of some wrapper,
 * begun by its constructor): then it lies above the end of that function's frame, which so says nothing about it. */
OUTRIDER_FN_ uint64_t outrider_enter_(const void *guard, const void *end, uintptr_t caller, const void *frame) {
  struct outrider_thread_state *thread = &outrider_thread_state_v1;
  uint64_t depth;

  if (end) outrider_drop_dead_guards_(guard, end, caller, frame);
  depth = thread->depth++;
  if (depth < OUTRIDER_TRACKED_DEPTH) {
    struct outrider_open_guard *open = &thread->open[depth];
    int local = end && guard > frame && guard < end;

    open->guard = guard;
    open->bottom = end && guard > frame ? guard : 0;
    open->end = local ? end : 0;
    open->caller = local ? caller : 0;
  }
  return depth + 1;
}

/* Takes a guard off, with everything that was left open above it. A guard that is not on this thread's stack (it was
 * dropped as dead, or is wrongly ended on another thread) changes nothing. */
OUTRIDER_FN_ void outrider_leave_(const void *guard, uint64_t depth) {
  struct outrider_thread_state *thread = &outrider_thread_state_v1;

  if (depth == 0 || depth > thread->depth) return;
  if (depth <= OUTRIDER_TRACKED_DEPTH && thread->open[depth - 1].guard != guard) return;
  thread->depth = depth - 1;
}

OUTRIDER_END_DECLS_
#endif

#endif
