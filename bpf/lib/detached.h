/* Queries that may change threads. `detached`: (process, id) -> query; written by the probes of the thread that works
 * on it, evicted at its end or when its process is gone. A thread's share is added when the thread leaves the query
 * (query__switch, or the end); time on no thread is `unattributed`. A plain hash: LRU evicts long before it is full. */
#ifndef OUTRIDER_BPF_DETACHED_H
#define OUTRIDER_BPF_DETACHED_H

#include "task_state.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct outrider_detached_key);
	__type(value, struct outrider_detached_query);
} detached __weak SEC(".maps");

INLINE struct outrider_detached_query *detached_of(u32 tgid, u64 id)
{
	struct outrider_detached_key key = {.tgid = tgid, .id = id};

	return bpf_map_lookup_elem(&detached, &key);
}

/* The thread stops working on its detached query: its share goes to the query. */
INLINE void leave_current(struct task_state *st, u32 tgid, u64 now)
{
	struct outrider_detached_query *q;

	if (!st->current)
		return;
	account(st, OUTRIDER_WAIT_CPU, now);
	q = detached_of(tgid, st->current);
	st->current = 0;
	if (!q)
		return;
	for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++)
		q->wait_ns[i] += st->acc[i] - st->current_base[i];
}

/* The thread starts to work on query `id`. */
INLINE void enter_current(struct task_state *st, u64 id, u64 now)
{
	if (!is_active(st))
		activate(st, now);
	else
		account(st, OUTRIDER_WAIT_CPU, now);
	st->current = id;
	__builtin_memcpy(st->current_base, st->acc, sizeof(st->acc));
}

struct detached_sweep {
	u32 tgid;
};

static long detached_drop(void *map, struct outrider_detached_key *key, struct outrider_detached_query *q, struct detached_sweep *sweep)
{
	struct outrider_target *t;
	struct outrider_slot *slot;

	if (key->tgid != sweep->tgid)
		return 0;
	t = target_of(q->target);
	slot = slot_of(q->slot);
	if (t && q->generation == t->generation) {
		concurrency_down(t);
		__sync_fetch_and_add(&t->detached, -1);
		if (slot)
			add64(&slot->abandoned, 1);
	}
	bpf_map_delete_elem(map, key);
	return 0;
}

/* The process is gone, or became another program: so are its detached queries. */
INLINE void drop_detached_of(u32 tgid, const struct outrider_target *t)
{
	struct detached_sweep sweep = {.tgid = tgid};

	if (t->detached > 0)
		bpf_for_each_map_elem(&detached, detached_drop, &sweep, 0);
}

#endif
