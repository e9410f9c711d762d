/* What every BPF file includes: kernel types, helpers, and the tunables that the agent sets between open and load. */
#ifndef OUTRIDER_BPF_COMMON_H
#define OUTRIDER_BPF_COMMON_H

#define __bpf__ 1
#include "../include/kernel_types.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "../abi/abi.h"

#define INLINE static __always_inline

/* Shards in use minus one (a power of two minus one). */
const volatile __u32 shard_mask __weak = 0;
/* Slots in use; a type past them is counted under `other`. */
const volatile __u32 max_slots __weak = OUTRIDER_MAX_SLOTS;

/* Interval epoch: which cell of max_ns[] and peak[] is written. The agent clears a cell before it moves on. */
volatile __u32 epoch __weak = 0;
/* Next slot and phase cell to hand out. */
volatile __u32 next_slot __weak = 0;
volatile __u32 next_phase __weak = 0;

INLINE u32 this_shard(void)
{
	return bpf_get_smp_processor_id() & shard_mask & (OUTRIDER_MAX_SHARDS - 1);
}

INLINE void add64(__u64 *cell, u64 n)
{
	__sync_fetch_and_add(cell, n);
}

/* Raises *cell to v; gives up after a few lost races, each of which raised it as well. */
INLINE void raise_to(__u64 *cell, u64 v)
{
	for (int i = 0; i < 4; i++) {
		u64 seen = *(volatile __u64 *)cell;

		if (seen >= v || __sync_val_compare_and_swap(cell, seen, v) == seen)
			return;
	}
}

#endif
