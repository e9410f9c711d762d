/* Stacks of threads that are in a query. `stacks`: stack -> how often, how long; the stack itself is the key, so that no
 * collision is possible. Written by the sampler, read and emptied by the agent; full, it refuses and the loss is
 * counted. An entry is never taken away under a program that adds to it: the agent moves `stack_round` on and then
 * removes what earlier rounds have collected.
 * `blocked`: thread -> its stack and since when it waits; entered when it leaves its CPU, removed when it is woken. */
#ifndef OUTRIDER_BPF_STACKS_H
#define OUTRIDER_BPF_STACKS_H

#include "detached.h"

#include <linux/errno.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OUTRIDER_MAX_STACKS);
	__type(key, struct outrider_stack_key);
	__type(value, struct outrider_stack_value);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OUTRIDER_MAX_BLOCKED);
	__type(key, __u32);
	__type(value, struct outrider_blocked);
} blocked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OUTRIDER_MAX_TARGETS);
	__type(key, __u32);
	__type(value, struct outrider_stack_counts);
} stack_counts SEC(".maps");

/* A stack does not fit into a program's own. One for the timer, which may interrupt a probe, and one for the
 * scheduler hooks, which nothing of ours interrupts. */
enum scratch { SCRATCH_TIMER = 0, SCRATCH_SCHED, SCRATCHES };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct outrider_blocked);
} scratch SEC(".maps");

volatile __u32 stack_round = 0;

INLINE struct outrider_blocked *scratch_of(u32 which)
{
	return bpf_map_lookup_elem(&scratch, &which);
}

INLINE struct outrider_stack_counts *counts_of(u32 target)
{
	return bpf_map_lookup_elem(&stack_counts, &target);
}

INLINE void count_stack_loss(u32 target, enum outrider_stack_loss reason)
{
	struct outrider_stack_counts *counts = counts_of(target);

	if (counts)
		add64(&counts->losses[reason], 1);
}

INLINE void count_stack(const struct outrider_stack_key *key, u64 ns)
{
	struct outrider_stack_value *value = bpf_map_lookup_elem(&stacks, key), none = {};
	int error = 0;

	if (!value) {
		error = (int)bpf_map_update_elem(&stacks, key, &none, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&stacks, key); /* another CPU may have been first */
	}
	if (!value) {
		count_stack_loss(key->target, error == -E2BIG ? OUTRIDER_STACK_LOSS_FULL : OUTRIDER_STACK_LOSS_BUSY);
		return;
	}
	add64(&value->count, 1);
	add64(&value->ns, ns);
}

/* The queries that the thread works on, the outermost first. */
INLINE void query_path(const struct task_state *st, struct outrider_stack_key *key)
{
	u32 n = 0;

	__builtin_memset(key->path, 0, sizeof(key->path));
	if (st->current) {
		struct outrider_detached_query *q = detached_of(key->tgid, st->current);

		if (q)
			key->path[n++] = q->slot + 1;
	}
	for (u32 i = 0; i < OUTRIDER_MAX_DEPTH; i++) {
		if (i >= st->depth || n >= OUTRIDER_MAX_DEPTH)
			break;
		key->path[n & (OUTRIDER_MAX_DEPTH - 1)] = st->frames[i].slot + 1;
		n++;
	}
}

#endif
