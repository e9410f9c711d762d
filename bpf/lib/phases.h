/* Time in named phases of a query (parse, plan, ...). `phase_types`: (target, name) -> cell, handed out at first sight
 * and never given back; `phase_cells`: the counters, sharded, read by the agent through mmap. */
#ifndef OUTRIDER_BPF_PHASES_H
#define OUTRIDER_BPF_PHASES_H

#include "task_state.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OUTRIDER_MAX_PHASES);
	__type(key, struct outrider_phase_key);
	__type(value, __u32);
} phase_types __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OUTRIDER_MAX_PHASES * OUTRIDER_MAX_SHARDS);
	__type(key, __u32);
	__type(value, struct outrider_phase_cell);
} phase_cells __weak SEC(".maps");

INLINE struct phase_frame *phase_at(struct task_state *st, u32 i)
{
	if (i >= OUTRIDER_PHASE_DEPTH)
		return 0;
	barrier_var(i);
	return &st->phases[i & (OUTRIDER_PHASE_DEPTH - 1)];
}

/* Phases that began before both their ends were probed may have ended unseen; those below began earlier still. */
INLINE struct phase_frame *open_phase(struct task_state *st, const struct outrider_target *t)
{
	struct phase_frame *f = st->phase_depth ? phase_at(st, st->phase_depth - 1) : 0;

	if (f && f->start_ns < t->phases_from_ns) {
		st->phase_depth = 0;
		return 0;
	}
	return f;
}

/* Phases whose stack has been popped (an error left them by longjmp) are forgotten first. */
INLINE void phase_push(struct task_state *st, const struct outrider_target *t, u64 stack, u64 now)
{
	struct phase_frame *f;

	for (int i = 0; i < OUTRIDER_PHASE_DEPTH; i++) {
		f = open_phase(st, t);
		if (!f || f->stack >= stack)
			break;
		st->phase_depth--;
	}
	f = phase_at(st, st->phase_depth);
	if (!f) { /* deeper than we follow: start over, these are phases that never ended */
		st->phase_depth = 0;
		f = &st->phases[0];
	}
	f->start_ns = now;
	f->stack = stack;
	st->phase_depth++;
}

INLINE u32 *phase_allot(struct outrider_phase_key *key)
{
	u32 index = __sync_fetch_and_add(&next_phase, 1);

	if (index < OUTRIDER_MAX_PHASES)
		bpf_map_update_elem(&phase_types, key, &index, BPF_NOEXIST);
	return bpf_map_lookup_elem(&phase_types, key);
}

INLINE void phase_pop(struct task_state *st, const struct outrider_target *t, struct outrider_phase_key *key, u64 now)
{
	struct outrider_phase_cell *cell;
	struct phase_frame *f;
	u32 *index, at;

	f = open_phase(st, t);
	if (!f)
		return;
	st->phase_depth--;
	index = bpf_map_lookup_elem(&phase_types, key);
	if (!index && next_phase < OUTRIDER_MAX_PHASES)
		index = phase_allot(key);
	if (!index) {
		count_loss(key->target, OUTRIDER_LOSS_PHASES_FULL, 1);
		return;
	}
	at = *index * OUTRIDER_MAX_SHARDS + this_shard();
	cell = bpf_map_lookup_elem(&phase_cells, &at);
	if (!cell)
		return;
	add64(&cell->count, 1);
	add64(&cell->total_ns, now - f->start_ns);
}

#endif
