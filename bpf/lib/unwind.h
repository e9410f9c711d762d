/* Finds the callers of the code that a thread runs, by the tables of abi/unwind.h, or by frame pointers where code has
 * no table (generated code). `unwind_rows`: the rows of all files. `unwind_processes`: process -> what is mapped where;
 * written by the agent, copied by the fork hook. A process that is not in it is left to the kernel's own walk along the
 * frame pointers. */
#ifndef OUTRIDER_BPF_UNWIND_H
#define OUTRIDER_BPF_UNWIND_H

#include "stacks.h"

#include "../abi/unwind.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OUTRIDER_UNWIND_ROWS);
	__type(key, __u32);
	__type(value, struct outrider_unwind_row);
} unwind_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OUTRIDER_UNWIND_PROCESSES);
	__type(key, __u32);
	__type(value, struct outrider_unwind_process);
} unwind_processes SEC(".maps");

struct unwinding {
	u64 ip, sp, fp;
	u32 which; /* enum scratch */
	u32 found; /* a frame was */
};

/* 1 if a <= b, without a branch: the verifier would follow both sides of each step of a search, and all their
 * combinations. For values below 2^63. */
INLINE u64 not_above(u64 a, u64 b)
{
	u64 result = (a - (b + 1)) >> 63;

	/* Else the compiler makes a mask of the sign, at which newer verifiers follow both sides after all. */
	barrier_var(result);
	return result;
}

/* Where the thread is mapped: the last one that begins at or before ip, if it reaches so far. The agent leaves out what
 * lies above 2^62, which not_above() would take for the lowest. */
INLINE const struct outrider_unwind_mapping *mapping_at(const struct outrider_unwind_process *process, u64 ip)
{
	const struct outrider_unwind_mapping *m;
	u64 found = 0, count = process->count;

	if (ip >> 62)
		return 0;
	for (u64 step = OUTRIDER_UNWIND_MAPPINGS / 2; step; step /= 2) {
		u64 begin = process->mappings[(found + step - 1) & (OUTRIDER_UNWIND_MAPPINGS - 1)].begin;

		found += step * (not_above(found + step, count) & not_above(begin, ip));
		barrier_var(found);
	}
	if (!found)
		return 0;
	found--;
	barrier_var(found);
	m = &process->mappings[found & (OUTRIDER_UNWIND_MAPPINGS - 1)];
	return ip < m->end ? m : 0;
}

/* The last of the mapping's rows that begins at or before pc. */
INLINE const struct outrider_unwind_row *row_at(const struct outrider_unwind_mapping *m, u32 pc)
{
	u64 found = 0, rows = m->rows;
	u32 index;

	for (u64 step = OUTRIDER_UNWIND_ROWS / 2; step; step /= 2) {
		struct outrider_unwind_row *row;

		index = (m->first_row + found + step - 1) & (OUTRIDER_UNWIND_ROWS - 1);
		row = bpf_map_lookup_elem(&unwind_rows, &index);
		if (!row)
			return 0;
		found += step * (not_above(found + step, rows) & not_above(row->pc, pc));
		barrier_var(found);
	}
	if (!found)
		return 0;
	index = m->first_row + found - 1;
	return bpf_map_lookup_elem(&unwind_rows, &index);
}

/* Moves on to the caller by the frame pointer. */
INLINE bool step_by_frame_pointer(struct unwinding *u)
{
	u64 frame[2];

	if (u->fp < u->sp || bpf_probe_read_user(frame, sizeof(frame), (void *)u->fp))
		return false;
	u->sp = u->fp + sizeof(frame);
	u->fp = frame[0];
	u->ip = frame[1];
	return true;
}

INLINE bool step_by_row(struct unwinding *u, const struct outrider_unwind_row *row)
{
	u64 cfa = row->cfa_offset;

	if (row->cfa == OUTRIDER_CFA_SP)
		cfa += u->sp;
	else if (row->cfa == OUTRIDER_CFA_FP)
		cfa += u->fp;
	else if (row->cfa == OUTRIDER_CFA_PLT)
		cfa = u->sp + 8 + ((u->ip & 15) >= 11 ? 8 : 0);
	else
		return false;
	if (cfa <= u->sp) /* callers lie higher */
		return false;
	if (row->fp_offset && bpf_probe_read_user(&u->fp, sizeof(u->fp), (void *)(cfa + 8 * (s64)row->fp_offset)))
		return false;
	if (bpf_probe_read_user(&u->ip, sizeof(u->ip), (void *)(cfa - 8)))
		return false;
	u->sp = cfa;
	return true;
}

/* One frame; 1 ends the walk. */
static long unwind_step(u32 index, struct unwinding *u)
{
	struct outrider_blocked *buffer = scratch_of(u->which);
	const struct outrider_unwind_process *process;
	const struct outrider_unwind_mapping *m;
	const struct outrider_unwind_row *row;
	u64 at;

	if (!buffer)
		return 1;
	if (!u->ip)
		return 1;
	barrier_var(index);
	if (index >= OUTRIDER_USER_FRAMES)
		return 1;
	buffer->key.user[index] = u->ip;
	u->found = true;
	process = bpf_map_lookup_elem(&unwind_processes, &buffer->key.tgid);
	if (!process)
		return 1;
	at = index ? u->ip - 1 : u->ip; /* a return address may be the first one of another function */
	m = mapping_at(process, at);
	if (!m || !m->rows)
		return !step_by_frame_pointer(u);
	row = row_at(m, at - m->bias);
	if (!row)
		return 1;
	if (row->cfa == OUTRIDER_CFA_END) {
		buffer->key.flags |= OUTRIDER_STACK_WHOLE;
		return 1;
	}
	return !step_by_row(u, row);
}

/* Fills key.user[], all zeros before, from these registers. False: there is no table for the process. */
INLINE bool unwind(u64 ip, u64 sp, u64 fp, u32 which, struct outrider_stack_key *key)
{
	struct unwinding u = {.ip = ip, .sp = sp, .fp = fp, .which = which};

	if (!bpf_map_lookup_elem(&unwind_processes, &key->tgid))
		return false;
	bpf_loop(OUTRIDER_USER_FRAMES + 1, unwind_step, &u, 0);
	return u.found;
}

#if defined(__TARGET_ARCH_x86)
/* The user-space registers of the thread on this CPU: the timer's own, or those at its system call. */
INLINE bool unwind_current(void *interrupted, u32 which, struct outrider_stack_key *key)
{
	struct pt_regs *regs;

	if (interrupted && (((struct pt_regs *)interrupted)->cs & 3) == 3) {
		regs = interrupted;
		return unwind(regs->ip, regs->sp, regs->bp, which, key);
	}
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return unwind(regs->ip, regs->sp, regs->bp, which, key);
}
#else
INLINE bool unwind_current(void *interrupted, u32 which, struct outrider_stack_key *key)
{
	return false;
}
#endif

/* Fills the scratch's key for the thread that is on this CPU; all but its wait class. `interrupted`: the registers that
 * a timer found, if one did. */
INLINE void take_stack(void *ctx, void *interrupted, const struct task_state *st, bool kernel, u32 which,
		       struct outrider_stack_key *key)
{
	long size;

	key->tgid = bpf_get_current_pid_tgid() >> 32;
	key->target = st->target;
	key->flags = 0;
	key->round = stack_round;
	query_path(st, key);
	if (kernel)
		bpf_get_stack(ctx, key->kernel, sizeof(key->kernel), 0);
	else
		__builtin_memset(key->kernel, 0, sizeof(key->kernel));
	__builtin_memset(key->user, 0, sizeof(key->user));
	if (unwind_current(interrupted, which, key))
		return;
	size = bpf_get_stack(ctx, key->user, sizeof(key->user), BPF_F_USER_STACK);
	if (size <= 0)
		count_stack_loss(st->target, OUTRIDER_STACK_LOSS_NO_USER);
}

#endif
