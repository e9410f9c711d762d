/* The slowest queries of each slot and interval, each by itself. `slow_lists`: two lists a slot, the one of this interval
 * by the parity of `epoch`; the agent empties a list before its interval and reads it after. A query that is none of the
 * slowest costs one comparison. A list is changed by one program at a time; whoever finds it in use tries some times more,
 * and then its query is counted as maybe missing. Outermost queries only. `slow_texts`: what those queries said, where it may be read. */
#ifndef OUTRIDER_BPF_SLOW_H
#define OUTRIDER_BPF_SLOW_H

#include "task_state.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OUTRIDER_MAX_SLOTS * OUTRIDER_SLOW_BANKS);
	__type(key, __u32);
	__type(value, struct outrider_slow_list);
} slow_lists __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, OUTRIDER_MAX_SLOTS * OUTRIDER_SLOW_BANKS * OUTRIDER_SLOW_QUERIES);
	__type(key, __u32);
	__type(value, char[OUTRIDER_QUERY_TEXT]);
} slow_texts __weak SEC(".maps");

#define LIST_TRIES 16

struct slow_candidate {
	u32 target, slot;
	u64 start_ns; /* 0: it has just ended */
	u64 duration;
	bool failed;
	const u64 *parts; /* NULL: its waits were not followed */
	const char *text; /* NULL, or of OUTRIDER_QUERY_TEXT bytes; empty: it may not be read */
};

/* Index of the quickest one on the list. */
INLINE u32 least_of(const struct outrider_slow_list *list)
{
	u64 least = list->queries[0].duration_ns;
	u32 at = 0;

	for (u32 i = 1; i < OUTRIDER_SLOW_QUERIES; i++) {
		if (list->queries[i].duration_ns < least) {
			least = list->queries[i].duration_ns;
			at = i;
		}
	}
	return at;
}

INLINE void enter_slow(struct outrider_slow_list *list, u32 index, const struct slow_candidate *q)
{
	u64 thread = bpf_get_current_pid_tgid();
	u32 at = least_of(list), key = OUTRIDER_SLOW_TEXT(index, at);
	struct outrider_slow_query *entry;
	const char *text = q->text;

	barrier_var(at);
	entry = &list->queries[at & (OUTRIDER_SLOW_QUERIES - 1)];
	if (q->duration <= entry->duration_ns)
		return;
	entry->start_ns = q->start_ns ? q->start_ns : bpf_ktime_get_ns() - q->duration;
	entry->duration_ns = q->duration;
	entry->process = thread >> 32;
	entry->thread = thread;
	entry->failed = q->failed;
	entry->timed = q->parts != 0;
	if (q->parts)
		__builtin_memcpy(entry->wait_ns, q->parts, sizeof(entry->wait_ns));
	entry->has_text = 0;
	/* Else the compiler asks what the pointer depends on instead, which Linux 6.1's verifier cannot follow. */
	barrier_var(text);
	if (text && text[0]) {
		entry->has_text = bpf_map_update_elem(&slow_texts, &key, text, BPF_ANY) == 0;
		if (!entry->has_text)
			count_loss(q->target, OUTRIDER_LOSS_SLOW_BUSY, 1);
	}
	at = least_of(list);
	barrier_var(at);
	list->bar_ns = list->queries[at & (OUTRIDER_SLOW_QUERIES - 1)].duration_ns;
}

INLINE void note_slow(const struct slow_candidate *q)
{
	u32 index = q->slot * OUTRIDER_SLOW_BANKS + (epoch & (OUTRIDER_SLOW_BANKS - 1));
	struct outrider_slow_list *list = bpf_map_lookup_elem(&slow_lists, &index);
	u32 tries;

	if (!list)
		return;
	/* Whoever holds it is done after some hundred nanoseconds, unless its CPU was taken away meanwhile. */
	for (tries = 0; tries < LIST_TRIES; tries++) {
		if (q->duration <= *(volatile __u64 *)&list->bar_ns)
			return;
		if (!__sync_val_compare_and_swap(&list->busy, 0, 1))
			break;
	}
	if (tries == LIST_TRIES) {
		count_loss(q->target, OUTRIDER_LOSS_SLOW_BUSY, 1);
		return;
	}
	enter_slow(list, index, q);
	__sync_val_compare_and_swap(&list->busy, 1, 0);
}

/* Notes what the query says that begins now, if that is allowed. */
INLINE void note_text(struct task_state *st, const struct outrider_target *t, const char *text)
{
	st->text[0] = 0;
	if (t->texts && text && bpf_probe_read_user_str(st->text, sizeof(st->text), text) < 0)
		st->text[0] = 0;
}

#endif
