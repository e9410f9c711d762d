/* Queries that may change threads, or that others may run between the parts of: how they begin and end. */
#ifndef OUTRIDER_BPF_DETACHED_QUERY_H
#define OUTRIDER_BPF_DETACHED_QUERY_H

#include "detached.h"
#include "ended.h"

/* A function of its own, so that its stack is not there while the type is made out. */
static __noinline int start_detached(struct here *h, u64 id, u64 now, u32 slot)
{
	struct outrider_detached_key key = {.tgid = this_process(), .id = id};
	struct outrider_detached_query q = {};

	q.start_ns = now;
	q.slot = slot;
	q.target = h->target_index;
	q.generation = h->target->generation;
	if (h->state)
		leave_current(h->state, this_process(), now);
	if (bpf_map_update_elem(&detached, &key, &q, BPF_NOEXIST)) {
		count_loss(h->target_index, OUTRIDER_LOSS_INFLIGHT_FULL, 1);
		return 0;
	}
	if (h->state) /* else its time is on no thread that is known, until it changes threads */
		enter_current(h->state, id, now);
	concurrency_up(h->target);
	__sync_fetch_and_add(&h->target->detached, 1);
	return 0;
}

/* From a guard's start probe until it reads the clock: nanoseconds, or what the attach itself stops the thread for, as the
 * page that gets a breakpoint is replaced: such a guard goes on when both ends are probed, and says that its query began
 * after that. Not longer than needed: a query whose start was a loss would be counted by its end too. */
#define GUARD_SETTLES_NS 5000000ULL

/* Nothing is known of the query's start. True: it began before its start was probed, and is to be counted by what its end
 * says, as in light mode; any other is a loss. */
INLINE bool end_without_start(struct here *h, const struct outcome *o, u64 now)
{
	if (o->duration && now - o->duration - GUARD_SETTLES_NS < h->target->counts_from_ns && is_own(now - o->duration))
		return true;
	count_loss(h->target_index, OUTRIDER_LOSS_UNMATCHED_END, 1);
	return false;
}

/* As end_without_start(). A function of its own, for the stack's sake. */
static __noinline int end_detached(struct here *h, u64 id, const struct outcome *o, u64 now)
{
	struct outrider_detached_key key = {.tgid = this_process(), .id = id};
	struct outrider_detached_query *q;
	u64 parts[OUTRIDER_WAIT_CLASSES], sum = 0, wall, duration;
	struct slow_candidate slow = {.target = h->target_index, .failed = o->failed, .parts = parts};
	u32 slot, generation;

	if (h->state && h->state->current == id)
		leave_current(h->state, this_process(), now);
	q = bpf_map_lookup_elem(&detached, &key);
	if (!q)
		return end_without_start(h, o, now);
	slow.start_ns = q->start_ns;
	wall = now - q->start_ns;
	slot = q->slot;
	generation = q->generation;
	for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++) {
		parts[i] = q->wait_ns[i];
		sum += parts[i];
	}
	bpf_map_delete_elem(&detached, &key);
	if (generation != h->target->generation)
		return end_without_start(h, o, now);
	duration = o->duration ? o->duration : wall;
	if (wall > sum)
		parts[OUTRIDER_WAIT_UNATTRIBUTED] += wall - sum;
	__sync_fetch_and_add(&h->target->detached, -1);
	concurrency_down(h->target);
	count_waits(slot, parts, duration);
	count_query(slot, duration, o->failed, o->hits, o->misses);
	slow.slot = slot;
	slow.duration = duration;
	note_slow(&slow);
	return false;
}

#endif
