/* Where a probe program is: its site, the target and the thread. The first thing that every handler asks. */
#ifndef OUTRIDER_BPF_HERE_H
#define OUTRIDER_BPF_HERE_H

#include "args.h"
#include "own_stack.h"
#include "task_state.h"

/* All that a handler needs to know of where it is. */
struct here {
	const struct outrider_site *site;
	struct outrider_target *target;
	struct task_state *state; /* may be NULL */
	u32 target_index;
};

INLINE u32 this_process(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* False: what began then was begun by the parent, of which this process is a fork. */
INLINE bool is_own(u64 began_ns)
{
	return began_ns >= bpf_get_current_task_btf()->group_leader->start_time;
}

/* Drops what was in flight when the agent changed the probes: ends may have been missed. */
INLINE void renew(struct here *h)
{
	struct task_state *st = h->state;

	if (st->target == h->target_index && st->generation == h->target->generation)
		return;
	/* Ends that carry a duration are counted when they come. */
	if (st->depth && (h->site->tag || st->frames[0].done))
		count_loss(h->target_index, OUTRIDER_LOSS_DISCARDED, st->depth);
	/* Types have slots of their target, until it is removed. */
	for (int i = 0; i < TYPE_CACHE; i++)
		st->types[i].name[0] = 0;
	st->target = h->target_index;
	st->generation = h->target->generation;
	st->depth = 0;
	st->too_deep = 0;
	st->first_start_ns = 0;
	st->current = 0;
	st->pending_ns = 0;
	st->pending_type[0] = 0;
	st->pending_text = 0;
	st->prepare_at = 0;
	st->prepare_slot = 0;
	st->step_stack = 0;
	st->text[0] = 0;
	st->phase_depth = 0;
}

/* A thread's state says its target while that is watched as it was: one that is watched anew may have another's number. Only
 * threads of watched processes have a state, and an exec takes it away. */
INLINE bool find_target(struct here *h)
{
	struct outrider_process *process;

	if (h->state) {
		h->target_index = h->state->target;
		h->target = target_of(h->target_index);
		if (h->target && h->target->generation == h->state->generation)
			return true;
	}
	process = living_process(this_process());
	if (!process)
		return false;
	h->target_index = process->target;
	h->target = target_of(h->target_index);
	return h->target;
}

/* Whether this hit is of the probe on the file that the process has mapped, not on the same file under another name. */
INLINE bool in_own_file(const struct outrider_site *site)
{
	struct outrider_process *process;

	if (!site->twins)
		return true;
	process = process_of(this_process());
	if (!process || !(process->files & site->twins))
		return site->file == (site->twins & -site->twins); /* unknown: one of them */
	return process->files & site->file;
}

/* False: the process is not watched, or the hit is not to be counted. `create`: make a state for a thread that has none;
 * where that cannot be had `state` stays NULL, and whose hit gets lost by it says so with has_state(). */
INLINE bool locate(void *ctx, struct here *h, enum outrider_run run, bool create)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct outrider_target_cell *cell;

	keep_own_stack(ctx);
	h->state = bpf_task_storage_get(&tasks, task, 0, 0);
	if (!find_target(h))
		return false;
	h->site = site_of(ctx);
	cell = cell_of(h->target_index);
	if (!h->site)
		return false;
	if (cell) {
		add64(&cell->runs[run], 1);
		if (h->site->flags & OUTRIDER_SITE_SHARES_TRAP)
			add64(&cell->runs[OUTRIDER_RUN_SHARED_TRAP], 1);
	}
	if (h->target->mode == OUTRIDER_MODE_OFF || !in_own_file(h->site))
		return false;
	if (!h->state && create)
		h->state = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (h->state)
		renew(h);
	return true;
}

/* False, and a loss: the kernel had no memory for the thread's state, or was busy. Kernels up to 6.18 make none while they
 * have preempted another thread on this processor in the middle of looking for its own. */
INLINE bool has_state(const struct here *h)
{
	if (h->state)
		return true;
	count_loss(h->target_index, OUTRIDER_LOSS_TASK_STORAGE, 1);
	return false;
}

#endif
