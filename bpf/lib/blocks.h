/* Who blocks whom. When a wait for a lock, a condition or another process ends, the thread that ends it is running: the query
 * that it has open is what was waited for. `blocks`: (type that waited, type that woke it, class) -> how often, how long. */
#ifndef OUTRIDER_BPF_BLOCKS_H
#define OUTRIDER_BPF_BLOCKS_H

#include "detached.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, OUTRIDER_MAX_BLOCKS);
	__type(key, struct outrider_block_key);
	__type(value, struct outrider_block);
} blocks __weak SEC(".maps");

/* Of the outermost query that the thread has open; what was open when the probes changed may have ended unseen. */
INLINE u32 open_slot(const struct task_state *st, u32 tgid)
{
	struct outrider_target *t = target_of(st->target);
	struct outrider_detached_query *q;

	if (!t || st->generation != t->generation)
		return OUTRIDER_NO_SLOT;
	if (st->depth)
		return st->frames[0].slot;
	q = st->current ? detached_of(tgid, st->current) : 0;
	return q ? q->slot : OUTRIDER_NO_SLOT;
}

/* `st`, of the thread p, is woken by the current thread, if that is in a system call: an interrupt (a timer) wakes from
 * whatever thread it meets. One that it meets within a system call is taken for the waker. */
INLINE u32 waker_slot(const struct task_state *st, bool in_system_call)
{
	struct task_state *waker = in_system_call ? bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0) : 0;

	if (!waker || waker == st || waker->target != st->target)
		return OUTRIDER_NO_SLOT;
	return open_slot(waker, bpf_get_current_pid_tgid() >> 32);
}

INLINE void note_block(const struct task_state *st, struct task_struct *p, u64 ns, bool in_system_call)
{
	struct outrider_block_key key = {.wait_class = st->wait_class};
	struct outrider_block *block, first = {.count = 1, .ns = ns};

	if (key.wait_class != OUTRIDER_WAIT_LOCK && key.wait_class != OUTRIDER_WAIT_SYNC && key.wait_class != OUTRIDER_WAIT_IPC)
		return;
	key.waiter = open_slot(st, p->tgid);
	if (key.waiter == OUTRIDER_NO_SLOT)
		return;
	key.waker = waker_slot(st, in_system_call);
	block = bpf_map_lookup_elem(&blocks, &key);
	if (!block) {
		if (bpf_map_update_elem(&blocks, &key, &first, BPF_NOEXIST) == 0)
			return;
		block = bpf_map_lookup_elem(&blocks, &key); /* another processor was first */
		if (!block) {
			count_loss(st->target, OUTRIDER_LOSS_BLOCKS_FULL, 1);
			return;
		}
	}
	add64(&block->count, 1);
	add64(&block->ns, ns);
}

#endif
