/* A query that has ended: which type it was of, and how it is counted. */
#ifndef OUTRIDER_BPF_ENDED_H
#define OUTRIDER_BPF_ENDED_H

#include "here.h"
#include "prepared.h"
#include "slow.h"
#include "sql_type.h"

/* By the name in the target's memory. */
INLINE u32 named_slot(struct here *h, const char *name, bool nested)
{
	struct outrider_type_key key = {};
	struct cached_type *cached = 0;
	u64 *raw = h->state ? h->state->raw_name : 0;
	u32 slot;

	if (raw && bpf_probe_read_user(raw, OUTRIDER_TYPE_NAME - 1, name) == 0) {
		cached = &h->state->types[((u64)name >> 4) & (TYPE_CACHE - 1)];
		if (cached->name[0] == raw[0] && cached->name[1] == raw[1] && cached->name[2] == raw[2] &&
		    cached->name[3] == raw[3] && cached->nested == nested && raw[0])
			return cached->slot;
	}
	key.target = h->target_index;
	key.nested = nested;
	if (bpf_probe_read_user_str(key.name, sizeof(key.name), name) <= 1) {
		count_loss(h->target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		__builtin_memcpy(key.name, "UNKNOWN", 8);
		return slot_for(&key, h->target);
	}
	slot = slot_for(&key, h->target);
	/* What found no room is not remembered, so that each such query counts as one, not each name that a thread forgot. */
	if (!cached || slot == h->target->other_slot + nested)
		return slot;
	cached->slot = slot;
	cached->nested = nested;
	__builtin_memcpy(cached->name, raw, sizeof(cached->name));
	return slot;
}

/* Of the command that was announced last. */
INLINE bool pending_type(const struct task_state *st, char *name)
{
	__builtin_memcpy(name, st->pending_type, OUTRIDER_TYPE_NAME - 1);
	return name[0];
}

/* In decimal digits, sixteen characters at most: the last one is put in first and moves up as those before it come. */
INLINE void write_number(char *name, int value)
{
	u64 words[2] = {};
	u32 rest = value < 0 ? -(u32)value : value;

	for (int i = 0; i < 11; i++) {
		u32 digit = i && !rest ? 0 : '0' + rest % 10;

		if (!digit && value < 0) {
			digit = '-';
			value = 0;
		}
		if (!digit)
			break;
		rest /= 10;
		words[1] = words[1] << 8 | words[0] >> 56;
		words[0] = words[0] << 8 | digit;
	}
	__builtin_memcpy(name, words, sizeof(words));
}

INLINE u32 type_slot(void *ctx, struct here *h, bool nested)
{
	struct outrider_type_key key = {};
	u64 type = 0;
	bool known = false;

	if (h->site->name[0]) {
		__builtin_memcpy(key.name, h->site->name, sizeof(key.name));
		known = true;
	} else if (h->site->flags & OUTRIDER_SITE_TYPE_IS_NUMBER) {
		known = read_arg(ctx, h->site, 1, &type);
		if (known)
			write_number(key.name, type);
		else
			count_loss(h->target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	} else if (!(h->site->flags & OUTRIDER_SITE_TYPE_FROM_STATEMENT)) {
		if (!read_arg(ctx, h->site, 1, &type) || !type)
			count_loss(h->target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		else if (h->site->flags & OUTRIDER_SITE_TYPE_IS_KEY)
			known = !prepared_name(h, type, key.name);
		else if (!(h->site->flags & OUTRIDER_SITE_TYPE_IS_SQL))
			return named_slot(h, (const char *)type, nested);
		else if (!h->state || h->state->pending_text != type)
			known = text_type(h->target, h->target_index, (const char *)type, 0, key.name) > 0;
		else
			known = pending_type(h->state, key.name);
	} else if (h->state) {
		known = pending_type(h->state, key.name);
	}
	if (!known)
		__builtin_memcpy(key.name, "UNKNOWN", 8);
	key.target = h->target_index;
	key.nested = nested;
	return slot_for_text(&key, h->target);
}

/* Global: it is called from several places, and the verifier looks at it once. */
__weak __noinline int count_query(u32 slot_index, u64 duration, bool failed, u64 hits, u64 misses)
{
	struct outrider_slot *slot = slot_of(slot_index);
	u32 bucket = outrider_hist_index(duration);

	if (!slot)
		return 0;
	add64(&slot->queries, 1);
	add64(&slot->duration_ns, duration);
	if (failed)
		add64(&slot->failed, 1);
	if (hits)
		add64(&slot->cache_hits, hits);
	if (misses)
		add64(&slot->cache_misses, misses);
	if (bucket < OUTRIDER_HIST_BUCKETS)
		__sync_fetch_and_add(&slot->histogram[bucket], 1);
	raise_to(&slot->max_ns[epoch & (OUTRIDER_EPOCHS - 1)], duration);
	return 0;
}

/* Adds a query's parts so that they sum to `duration`: what lies between the guard's clock and ours is our own traps,
 * spent on the CPU. What the parts sum to is asked of them alone: any clock read beside them is another time's, where
 * the program was preempted in between. */
INLINE void count_waits(u32 slot_index, u64 *parts, u64 duration)
{
	struct outrider_slot *slot = slot_of(slot_index);
	u64 sum = 0;

	if (!slot)
		return;
	for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++)
		sum += parts[i];
	if (sum >= duration) {
		u64 extra = sum - duration;

		/* The processor and its queue come first; were they shorter, the parts would sum to more than the query. */
		for (int i = 0; i < OUTRIDER_WAIT_CLASSES && extra; i++) {
			u64 cut = extra < parts[i] ? extra : parts[i];

			parts[i] -= cut;
			extra -= cut;
		}
	} else {
		parts[OUTRIDER_WAIT_UNATTRIBUTED] += duration - sum;
	}
	for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++)
		if (parts[i])
			add64(&slot->wait_ns[i], parts[i]);
}

struct outcome {
	u64 duration; /* 0: not handed over by the probe */
	bool failed;
	u64 hits, misses;
};

/* The top frame ends. */
INLINE void end_frame(struct here *h, struct frame *f, const struct outcome *o, u64 now)
{
	struct task_state *st = h->state;
	u64 parts[OUTRIDER_WAIT_CLASSES] = {};
	u64 duration = o->duration ? o->duration : now - f->start_ns;
	bool failed = o->failed || f->failed;
	struct slow_candidate slow = {.target = h->target_index, .slot = f->slot, .start_ns = f->start_ns,
				      .duration = duration, .failed = failed};
	bool last;

	account(st, OUTRIDER_WAIT_CPU, now);
	st->depth--;
	last = !is_active(st);
	if (last && !f->based && !st->dirty) {
		parts[OUTRIDER_WAIT_CPU] = st->acc[OUTRIDER_WAIT_CPU]; /* it never left its CPU */
	} else if (last && !f->based) {
		__builtin_memcpy(parts, st->acc, sizeof(parts));
	} else {
		for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++)
			parts[i] = st->acc[i] - (f->based ? f->base[i] : 0);
	}
	if (!f->nested)
		concurrency_down(h->target);
	if (last)
		st->probe_wait = 0;
	count_waits(f->slot, parts, duration);
	count_query(f->slot, duration, failed, o->hits + f->hits, o->misses + f->misses);
	slow.parts = parts;
	slow.text = st->depth ? 0 : st->text;
	if (!f->nested)
		note_slow(&slow);
}

/* A statement that could not be prepared is a query that failed. */
INLINE void count_unprepared(struct here *h, u32 slot)
{
	u64 parts[OUTRIDER_WAIT_CLASSES] = {}, duration = bpf_ktime_get_ns() - h->state->prepare_ns;

	if (h->state->prepare_ns <= h->target->counts_from_ns)
		return;
	count_waits(slot, parts, duration);
	count_query(slot, duration, true, 0, 0);
}

#endif
