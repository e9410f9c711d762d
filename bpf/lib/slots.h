/* One slot per (target, type, nested) out of a shared pool. `types` hands them out at first sight; from then
 * on a query's end indexes an array. Those of statements that are hardly met any more the agent takes back and puts into
 * `free_slots`, empty; when the pool or the target's share of it is empty, a type is counted under the target's `other` slot
 * and the loss is counted.
 * `slots` holds the shards of one slot side by side, so that the agent maps just the part in use. */
#ifndef OUTRIDER_BPF_SLOTS_H
#define OUTRIDER_BPF_SLOTS_H

#include "targets.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OUTRIDER_MAX_SLOTS);
	__type(key, struct outrider_type_key);
	__type(value, __u32);
} types __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, OUTRIDER_MAX_SLOTS);
	__type(value, __u32);
} free_slots __weak SEC(".maps");

/* How often a slot has got a name. */
volatile __u32 slots_named __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OUTRIDER_MAX_SLOTS * OUTRIDER_MAX_SHARDS);
	__type(key, __u32);
	__type(value, struct outrider_slot);
} slots __weak SEC(".maps");

INLINE struct outrider_slot *slot_of(u32 index)
{
	u32 i = index * (shard_mask + 1) + this_shard();

	return bpf_map_lookup_elem(&slots, &i);
}

INLINE bool slots_left(void)
{
	u32 index;

	return next_slot < max_slots || !bpf_map_peek_elem(&free_slots, &index);
}

static __noinline u32 slot_allot(struct outrider_type_key *key, struct outrider_target *t)
{
	u32 index, *found;

	if (!key || !t)
		return 0;
	if (t->types >= t->max_types)
		goto other;
	if (bpf_map_pop_elem(&free_slots, &index)) {
		if (next_slot >= max_slots)
			goto other;
		index = __sync_fetch_and_add(&next_slot, 1);
	}
	if (index >= max_slots)
		goto other;
	if (bpf_map_update_elem(&types, key, &index, BPF_NOEXIST) == 0) {
		__sync_fetch_and_add(&t->types, 1);
		__sync_fetch_and_add(&slots_named, 1);
		return index;
	}
	bpf_map_push_elem(&free_slots, &index, BPF_ANY); /* another CPU was first */
	found = bpf_map_lookup_elem(&types, key);
	if (found)
		return *found;
other:
	count_loss(key->target, OUTRIDER_LOSS_TYPES_FULL, 1);
	return t->other_slot + (key->nested ? 1 : 0);
}

INLINE u32 slot_for(struct outrider_type_key *key, struct outrider_target *t)
{
	u32 *found = bpf_map_lookup_elem(&types, key);

	if (found)
		return *found;
	return slot_allot(key, t);
}

#endif
