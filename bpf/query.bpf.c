/* Queries, as the probes of the watched engines tell them.
 *
 * start   find the thread's state; close frames that were left without an end (longjmp: the guard's depth or the stack
 *         pointer tells); find the type's slot; push a frame; raise the target's concurrency if it is the outermost.
 * end     find the frame by id (frames above it were skipped: abandoned); its wall time is the guard's own measurement
 *         where the probe hands one over, else the two clock readings here; add one query to its slot.
 * Queries whose id has OUTRIDER_DETACHED_BIT live in a hash instead (lib/detached.h).
 * Light mode: no start was probed, the end probe alone carries type, duration, depth. */
#include "lib/detached_query.h"
#include "lib/outermost.h"

char LICENSE[] SEC("license") = "GPL";

/* Closes frames that a longjmp skipped: they have the depth that the new query has itself, or, where the engine counts no
 * depth, a stack that the new query's probe has popped, or on which it stands itself. */
INLINE void drop_skipped(struct here *h, u64 id, u64 stack, u64 depth)
{
	struct task_state *st = h->state;
	u32 keep = st->depth;

	for (int i = 0; i < OUTRIDER_MAX_DEPTH; i++) {
		struct frame *f = keep ? frame_at(st, keep - 1) : 0;

		if (!f || !(depth ? f->depth >= depth : f->stack < stack || (f->stack == stack && f->id == id)))
			break;
		keep--;
	}
	if (keep < st->depth)
		abandon_to(st, h->target, keep);
}

/* Of the outermost query. Where its type comes from the last statement, so does its text, which is there already. */
INLINE void note_start_text(void *ctx, struct here *h)
{
	u64 text = 0;

	if (h->site->flags & OUTRIDER_SITE_TYPE_FROM_STATEMENT)
		return;
	if (h->site->flags & OUTRIDER_SITE_TYPE_IS_SQL)
		read_arg(ctx, h->site, 1, &text);
	note_text(h->state, h->target, (const char *)text);
}

INLINE void push_frame(void *ctx, struct here *h, u64 id, u64 depth, u64 stack, u64 now)
{
	struct task_state *st = h->state;
	bool nested = depth ? depth > 1 : is_active(st);
	struct frame *f = frame_at(st, st->depth);

	if (!st->first_start_ns)
		st->first_start_ns = now;
	if (!f) {
		st->too_deep++;
		count_loss(h->target_index, OUTRIDER_LOSS_TOO_DEEP, 1);
		return;
	}
	f->based = is_active(st);
	if (f->based) {
		account(st, OUTRIDER_WAIT_CPU, now);
		__builtin_memcpy(f->base, st->acc, sizeof(st->acc));
	} else {
		activate(st, now);
	}
	f->id = id;
	f->start_ns = now;
	f->stack = stack;
	f->depth = depth;
	f->hits = 0;
	f->misses = 0;
	f->reentered = 0;
	f->failed = 0;
	f->done = 0;
	f->nested = nested;
	f->slot = type_slot(ctx, h, nested);
	if (st->depth == 0)
		note_start_text(ctx, h);
	st->depth++;
	if (!nested)
		concurrency_up(h->target);
}

/* The scheduler hook will look there when the thread blocks. */
INLINE void note_wait_word(void *ctx, struct here *h)
{
	if (!h->site->wait_word)
		return;
	h->state->wait_word = site_address(ctx) + h->site->wait_word;
	h->state->wait_site = site_index(ctx);
}

INLINE int query_start(void *ctx)
{
	struct here h;
	u64 now, id = 0, depth = 0, stack;

	if (!locate(ctx, &h, OUTRIDER_RUN_START, true) || h.target->mode == OUTRIDER_MODE_LIGHT)
		return 0;
	if (h.site->tag && !has_state(&h))
		return 0;
	now = bpf_ktime_get_ns();
	if (!read_arg(ctx, h.site, 0, &id) || !read_arg(ctx, h.site, 2, &depth))
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	if (!id)
		id = h.site->tag;
	if (id & OUTRIDER_DETACHED_BIT) {
		if (h.state)
			note_wait_word(ctx, &h);
		start_detached(&h, id, now, type_slot(ctx, &h, false));
		return 0;
	}
	/* Without a tag the query is known by its id, and its end tells that there was no state for it. */
	if (!h.state)
		return 0;
	note_wait_word(ctx, &h);
	stack = stack_pointer(ctx);
	/* The next one of several that were announced as one. */
	if (h.state->depth && h.state->frames[0].done && stack >= h.state->frames[0].stack)
		end_outermost(&h, false);
	if (h.site->flags & OUTRIDER_SITE_OUTERMOST && h.state->depth) {
		if (h.state->frames[0].id == id)
			h.state->frames[0].reentered++;
		return 0;
	}
	drop_skipped(&h, id, stack, depth);
	push_frame(ctx, &h, id, depth, stack, now);
	return 0;
}

SEC("uprobe.multi")
int handle_query_start(void *ctx)
{
	return query_start(ctx);
}

static __noinline int end_light(void *ctx, struct here *h, const struct outcome *o, u64 depth)
{
	struct slow_candidate slow = {.target = h->target_index, .duration = o->duration, .failed = o->failed};
	struct outrider_slot *slot;
	u32 index;

	if (!o->duration) {
		count_loss(h->target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	if (!is_own(bpf_ktime_get_ns() - o->duration)) {
		count_loss(h->target_index, OUTRIDER_LOSS_UNMATCHED_END, 1);
		return 0;
	}
	index = type_slot(ctx, h, depth > 1);
	slot = slot_of(index);
	if (slot)
		add64(&slot->untimed, 1);
	count_query(index, o->duration, o->failed, o->hits, o->misses);
	slow.slot = index;
	if (depth <= 1)
		note_slow(&slow);
	return 0;
}

/* Index of the open frame with this id, searched from the top; OUTRIDER_MAX_DEPTH: none. */
INLINE u32 find_frame(struct task_state *st, u64 id)
{
	for (u32 i = 0; i < OUTRIDER_MAX_DEPTH; i++) {
		u32 at = st->depth - 1 - i;
		struct frame *f;

		if (i >= st->depth)
			break;
		f = frame_at(st, at);
		if (f && f->id == id)
			return at;
	}
	return OUTRIDER_MAX_DEPTH;
}

/* Of a query that this thread began before both ends were probed, or before any whose start was seen on it. The latter
 * may seem to have begun later: the attach stops threads between a guard's start probe and its reading of the clock, and a
 * busy machine keeps them there for as long as it likes; or there was no state to be had for the thread. */
INLINE bool began_unseen(const struct here *h, const struct outcome *o, u64 now)
{
	u64 began = now - o->duration;

	if (began >= now || !is_own(began))
		return false;
	return !h->state || !h->state->first_start_ns || began < h->state->first_start_ns || began < h->target->counts_from_ns;
}

/* True: its start was not to be seen, and it is to be counted by what its end says, as in light mode. A function of its
 * own, for the stack's sake. */
static __noinline int end_on_thread(void *ctx, struct here *h, u64 id, const struct outcome *o, u64 now)
{
	struct task_state *st = h->state;
	struct frame *f;
	u32 at;

	if (!st) /* of a tag the start has told */
		return !h->site->tag && (began_unseen(h, o, now) || has_state(h));
	if (h->site->tag && st->too_deep && !(h->site->flags & OUTRIDER_SITE_SAME_STACK)) {
		f = frame_at(st, st->depth - 1);
		if (!f || stack_pointer(ctx) < f->stack) {
			st->too_deep--; /* all of a tag have one id: the innermost ends first */
			return false;
		}
		st->too_deep = 0; /* of those inside it the kernel tells no return beyond 64 */
	}
	at = find_frame(st, id);
	f = frame_at(st, at);
	if (!f) {
		if (st->too_deep) {
			st->too_deep--;
		} else if (!h->site->tag) { /* a tagged end without its start closes what another start opened */
			if (began_unseen(h, o, now))
				return true;
			count_loss(h->target_index, OUTRIDER_LOSS_UNMATCHED_END, 1);
		}
		return false;
	}
	if (h->site->flags & OUTRIDER_SITE_SAME_STACK) {
		/* Called from deeper than the query's start: it ends something inside. */
		if (stack_pointer(ctx) < f->stack)
			return false;
	} else if (f->reentered) {
		f->reentered--;
		return false;
	}
	abandon_to(st, h->target, at + 1);
	st->pending_ns = 0;
	if (h->site->flags & OUTRIDER_SITE_UNTIL_STATEMENT)
		f->done = 1;
	else
		end_frame(h, f, o, now);
	return false;
}

#define LONGEST_DURATION (1ULL << 54) /* 208 days */
#define MOST_LOOKUPS (1ULL << 40)

/* Figures are the target's own, which may be wrong or lie. Those that cannot be are dropped: their sums would not recover
 * from them. Light mode has nothing in the place of a duration, and says so itself. */
INLINE bool believe(struct outcome *o, bool light)
{
	bool good = true;

	if (o->duration > LONGEST_DURATION) {
		o->duration = 0;
		good = light;
	}
	if (o->hits > MOST_LOOKUPS || o->misses > MOST_LOOKUPS) {
		o->hits = 0;
		o->misses = 0;
		good = false;
	}
	return good;
}

SEC("uprobe.multi")
int handle_query_end(void *ctx)
{
	struct outcome o = {};
	struct here h;
	u64 now, id = 0, status = 0, depth = 0;
	bool ok, light;

	if (!locate(ctx, &h, OUTRIDER_RUN_END, true))
		return 0;
	if (h.state)
		h.state->prepare_slot = 0;
	ok = read_arg(ctx, h.site, 0, &id);
	ok &= read_arg(ctx, h.site, 2, &status);
	ok &= read_arg(ctx, h.site, 3, &o.duration);
	ok &= read_arg(ctx, h.site, 4, &depth);
	ok &= read_arg(ctx, h.site, 5, &o.hits);
	ok &= read_arg(ctx, h.site, 6, &o.misses);
	light = h.target->mode == OUTRIDER_MODE_LIGHT;
	ok &= believe(&o, light);
	if (!ok)
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	o.failed = status != 0;
	if (!light) {
		now = bpf_ktime_get_ns();
		if (!id)
			id = h.site->tag;
		if (!(id & OUTRIDER_DETACHED_BIT)) {
			light = end_on_thread(ctx, &h, id, &o, now);
		} else {
			light = end_detached(&h, id, &o, now);
			depth = 1;
		}
	}
	if (light)
		end_light(ctx, &h, &o, depth);
	return 0;
}

/* The answer to a client that has a statement prepared is an error. */
static __noinline int refuse_prepared(struct here *h)
{
	u32 slot = h->state->prepare_slot;

	h->state->prepare_slot = 0;
	if (slot)
		count_unprepared(h, slot - 1);
	return 0;
}

SEC("uprobe.multi")
int handle_query_failed(void *ctx)
{
	struct frame *f;
	struct here h;

	if (!locate(ctx, &h, OUTRIDER_RUN_STATEMENT, false) || !h.state || h.state->too_deep)
		return 0;
	if (!h.state->depth) {
		refuse_prepared(&h);
		return 0;
	}
	f = frame_at(h.state, h.state->depth - 1);
	if (f)
		f->failed = 1;
	return 0;
}

SEC("uprobe.multi")
int handle_query_switch(void *ctx)
{
	struct here h;
	u64 now, id = 0;

	if (!locate(ctx, &h, OUTRIDER_RUN_SWITCH, true) || !h.state)
		return 0;
	if (h.target->mode == OUTRIDER_MODE_LIGHT)
		return 0;
	if (!read_arg(ctx, h.site, 0, &id)) {
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	if (h.state->current == id)
		return 0;
	now = bpf_ktime_get_ns();
	leave_current(h.state, this_process(), now);
	if (id && detached_of(this_process(), id))
		enter_current(h.state, id, now);
	return 0;
}
