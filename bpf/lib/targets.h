/* Who is watched. `processes`: tgid -> target, written by the agent and by the fork, exec and exit hooks, which
 * keep it true between two looks of the agent. `exes`: binaries whose new processes join a target at exec.
 * `targets` and `target_cells`: state and counters of each target, read by the agent through mmap. */
#ifndef OUTRIDER_BPF_TARGETS_H
#define OUTRIDER_BPF_TARGETS_H

#include "common.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct outrider_process);
} processes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct outrider_exe_key);
	__type(value, struct outrider_exe);
} exes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OUTRIDER_MAX_TARGETS);
	__type(key, __u32);
	__type(value, struct outrider_target);
} targets __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OUTRIDER_MAX_TARGETS * OUTRIDER_MAX_SHARDS);
	__type(key, __u32);
	__type(value, struct outrider_target_cell);
} target_cells __weak SEC(".maps");

INLINE struct outrider_process *process_of(u32 tgid)
{
	return bpf_map_lookup_elem(&processes, &tgid);
}

INLINE struct outrider_process *living_process(u32 tgid)
{
	struct outrider_process *process = process_of(tgid);

	return process && !process->ended ? process : 0;
}

INLINE struct outrider_target *target_of(u32 index)
{
	return bpf_map_lookup_elem(&targets, &index);
}

INLINE struct outrider_target_cell *cell_of(u32 target)
{
	u32 index = target * OUTRIDER_MAX_SHARDS + this_shard();

	return bpf_map_lookup_elem(&target_cells, &index);
}

INLINE void count_loss(u32 target, enum outrider_loss reason, u64 n)
{
	struct outrider_target_cell *cell = cell_of(target);

	if (cell)
		add64(&cell->losses[reason], n);
}

INLINE void count_run(u32 target, enum outrider_run what)
{
	struct outrider_target_cell *cell = cell_of(target);

	if (cell)
		add64(&cell->runs[what], 1);
}

INLINE void concurrency_up(struct outrider_target *t)
{
	s64 now = __sync_fetch_and_add(&t->concurrent, 1) + 1;

	if (now > 0)
		raise_to(&t->peak[epoch & (OUTRIDER_EPOCHS - 1)], now);
}

INLINE void concurrency_down(struct outrider_target *t)
{
	__sync_fetch_and_add(&t->concurrent, -1);
}

#endif
