/* Time in named phases of a query (parse, plan, ...). `phase_types`: (target, name) -> cell, handed out at first sight
 * and never given back; `phase_cells`: the counters, sharded, read by the agent through mmap. */
#ifndef OUTRIDER_BPF_PHASES_H
#define OUTRIDER_BPF_PHASES_H

#include "here.h"

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
		st->phases_too_deep = 0;
		return 0;
	}
	return f;
}

/* Phases that an error has left by longjmp are forgotten first: their stack has been popped, or one that a profile names
 * begins again where it is still open. */
INLINE void phase_push(struct here *h, u64 name, u64 stack, u64 now)
{
	bool once = h->site->name[0];
	struct task_state *st = h->state;
	struct phase_frame *f;

	for (int i = 0; i < OUTRIDER_PHASE_DEPTH; i++) {
		f = open_phase(st, h->target);
		if (!f || f->stack > stack || (f->stack == stack && !(once && f->name == name)))
			break;
		st->phase_depth--;
	}
	if (st->phase_depth >= OUTRIDER_PHASE_DEPTH) /* the same one at one place, four deep: so many were left */
		for (u32 i = OUTRIDER_PHASE_DEPTH; i > 0; i--) {
			f = phase_at(st, i - 1);
			if (!f || f->stack != stack || f->name != name)
				break;
			st->phase_depth = i - 1;
		}
	f = phase_at(st, st->phase_depth);
	if (!f) {
		st->phases_too_deep++;
		count_loss(h->target_index, OUTRIDER_LOSS_TOO_DEEP, 1);
		return;
	}
	st->phases_too_deep = 0;
	f->start_ns = now;
	f->stack = stack;
	f->name = name;
	st->phase_depth++;
}

/* The newest one of this name, for phases need not end in the order in which they began; else the newest of all, whose
 * name may lie elsewhere now. */
INLINE u32 phase_to_end(struct task_state *st, u64 name)
{
	for (u32 i = OUTRIDER_PHASE_DEPTH; i > 0; i--)
		if (i <= st->phase_depth && st->phases[i - 1].name == name)
			return i - 1;
	return st->phase_depth - 1;
}

INLINE u32 *phase_allot(struct outrider_phase_key *key)
{
	u32 index = __sync_fetch_and_add(&next_phase, 1);

	if (index < OUTRIDER_MAX_PHASES)
		bpf_map_update_elem(&phase_types, key, &index, BPF_NOEXIST);
	return bpf_map_lookup_elem(&phase_types, key);
}

INLINE void phase_pop(struct here *h, u64 name, struct outrider_phase_key *key, u64 now)
{
	struct task_state *st = h->state;
	struct outrider_phase_cell *cell;
	struct phase_frame *f;
	u32 *index, at;
	u64 start_ns;

	if (!open_phase(st, h->target))
		return;
	if (st->phases_too_deep) { /* the innermost ends first */
		st->phases_too_deep--;
		return;
	}
	at = phase_to_end(st, name);
	f = phase_at(st, at);
	if (!f)
		return;
	start_ns = f->start_ns;
	st->phase_depth--;
	for (u32 i = 0; i < OUTRIDER_PHASE_DEPTH - 1; i++)
		if (i >= at && i < st->phase_depth)
			st->phases[i] = st->phases[i + 1];
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
	add64(&cell->total_ns, now - start_ns);
}

#endif
