/* Statements that are prepared once and then run in steps, each of which gives a row (SQLite). The text is there when a
 * statement is prepared, and from then on only its address: `prepared` keeps its type. A query lasts from the first step to
 * the one that gives no row, or until somebody gives it up; others may be run between its steps, so it is a detached one.
 * What an engine prepares and runs by itself while it prepares or runs something is part of that. */
#include "lib/detached_query.h"

char LICENSE[] SEC("license") = "GPL";

/* One that was thrown away in the middle, unseen, may still be open under this key. */
static __noinline int drop_open(struct here *h, u64 key)
{
	struct outrider_detached_key id = {.tgid = this_process(), .id = key | OUTRIDER_DETACHED_BIT};
	struct outrider_detached_query *q = bpf_map_lookup_elem(&detached, &id);
	struct outrider_slot *slot;

	if (!q)
		return 0;
	slot = slot_of(q->slot);
	if (q->generation == h->target->generation) {
		__sync_fetch_and_add(&h->target->detached, -1);
		concurrency_down(h->target);
		if (slot)
			add64(&slot->abandoned, 1);
	}
	bpf_map_delete_elem(&detached, &id);
	return 0;
}

static __noinline int keep_type(struct here *h, u64 key, const char *name)
{
	struct outrider_detached_key id = {.tgid = this_process(), .id = key};
	struct prepared_type type = {.target = h->target_index, .generation = h->target->generation};

	drop_open(h, key);
	__builtin_memcpy(type.name, name, sizeof(type.name));
	bpf_map_update_elem(&prepared, &id, &type, BPF_ANY);
	return 0;
}

INLINE u32 named_type_slot(struct here *h, const char *name)
{
	struct outrider_type_key key = {.target = h->target_index};

	__builtin_memcpy(key.name, name, sizeof(key.name));
	return slot_for_text(&key, h->target);
}

static __noinline u32 prepared_slot(struct here *h, u64 id)
{
	struct outrider_type_key key = {.target = h->target_index};

	prepared_name(h, id, key.name);
	return slot_for_text(&key, h->target);
}

/* The thread is in a function that began at `stack`, or deeper inside. */
INLINE bool is_inside(u64 stack, void *ctx)
{
	return stack && stack_pointer(ctx) < stack;
}

SEC("uprobe.multi")
int handle_prepare(void *ctx)
{
	u64 text = 0, key = 0, key_at = 0, length = 0;
	char name[OUTRIDER_TYPE_NAME] = {};
	struct task_state *st;
	struct here h;
	u32 slot;

	if (!locate(ctx, &h, OUTRIDER_RUN_STATEMENT, true) || !has_state(&h))
		return 0;
	st = h.state;
	if (is_inside(st->step_stack, ctx) || (st->prepare_at && is_inside(st->prepare_stack, ctx)))
		return 0;
	st->prepare_at = 0;
	if (!read_arg(ctx, h.site, 0, &text) || !read_arg(ctx, h.site, 1, &key) || !read_arg(ctx, h.site, 2, &key_at) ||
	    !read_arg(ctx, h.site, 3, &length))
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	if ((__s32)length < 0) /* as far as the text's zero */
		length = 0;
	if (text_type(h.target, h.target_index, (const char *)text, length, name) <= 0)
		__builtin_memcpy(name, "UNKNOWN", 8);
	slot = named_type_slot(&h, name); /* the text is here now: nobody has it when the statement is run */
	st->prepare_ns = bpf_ktime_get_ns();
	if (key) {
		keep_type(&h, key, name);
		if (!st->depth)
			st->prepare_slot = slot + 1;
		return 0;
	}
	__builtin_memcpy(st->prepare_type, name, sizeof(name));
	st->prepare_stack = stack_pointer(ctx);
	st->prepare_at = key_at;
	return 0;
}

/* At a return the stack is as it was where the function began, but for the return address, which is popped. */
SEC("uprobe.multi")
int handle_prepare_end(void *ctx)
{
	u64 result = 0, key = 0;
	struct here h;

	if (!locate(ctx, &h, OUTRIDER_RUN_STATEMENT, false) || !h.state || !h.state->prepare_at)
		return 0;
	if (is_inside(h.state->prepare_stack, ctx))
		return 0;
	if (!read_arg(ctx, h.site, 0, &result) || bpf_probe_read_user(&key, sizeof(key), (void *)h.state->prepare_at))
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	h.state->prepare_at = 0;
	if ((u32)result)
		count_unprepared(&h, named_type_slot(&h, h.state->prepare_type));
	else if (key)
		keep_type(&h, key, h.state->prepare_type);
	return 0;
}

SEC("uprobe.multi")
int handle_step(void *ctx)
{
	struct outrider_detached_query *q;
	struct task_state *st;
	struct here h;
	u64 now, id = 0;

	if (!locate(ctx, &h, OUTRIDER_RUN_START, true) || !has_state(&h))
		return 0;
	st = h.state;
	if (is_inside(st->step_stack, ctx) || (st->prepare_at && is_inside(st->prepare_stack, ctx)))
		return 0;
	st->step_stack = stack_pointer(ctx);
	if (!read_arg(ctx, h.site, 0, &id) || !id) {
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	now = bpf_ktime_get_ns();
	q = detached_of(this_process(), id | OUTRIDER_DETACHED_BIT);
	if (q && q->generation == h.target->generation) {
		leave_current(st, this_process(), now);
		enter_current(st, id | OUTRIDER_DETACHED_BIT, now);
		return 0;
	}
	if (q) { /* of before the probes changed */
		struct outrider_detached_key key = {.tgid = this_process(), .id = id | OUTRIDER_DETACHED_BIT};

		bpf_map_delete_elem(&detached, &key);
	}
	start_detached(&h, id | OUTRIDER_DETACHED_BIT, now, prepared_slot(&h, id));
	return 0;
}

SEC("uprobe.multi")
int handle_step_end(void *ctx)
{
	u64 result = 0, more = 0, done = 0, now, id;
	struct outcome o = {};
	struct here h;

	if (!locate(ctx, &h, OUTRIDER_RUN_END, false) || !h.state || !h.state->step_stack)
		return 0;
	if (is_inside(h.state->step_stack, ctx))
		return 0;
	h.state->step_stack = 0;
	id = h.state->current;
	if (!id)
		return 0;
	if (!read_arg(ctx, h.site, 0, &result) || !read_arg(ctx, h.site, 1, &more) || !read_arg(ctx, h.site, 2, &done))
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	now = bpf_ktime_get_ns();
	if ((u32)result == (u32)more) {
		leave_current(h.state, this_process(), now);
		return 0;
	}
	o.failed = (u32)result != (u32)done;
	end_detached(&h, id, &o, now);
	return 0;
}

SEC("uprobe.multi")
int handle_steps_over(void *ctx)
{
	struct outrider_detached_key key = {.tgid = this_process()};
	struct outcome o = {};
	struct here h;
	u64 id = 0;

	/* Another thread may have run it. */
	if (!locate(ctx, &h, OUTRIDER_RUN_END, false))
		return 0;
	if (!read_arg(ctx, h.site, 0, &id) || !id) /* nothing at all may be reset or thrown away */
		return 0;
	if (h.state && h.state->current == (id | OUTRIDER_DETACHED_BIT) && is_inside(h.state->step_stack, ctx))
		return 0; /* by the engine itself, in the middle of its step, whose end tells more */
	if (h.site->flags & OUTRIDER_SITE_FORGETS_KEY) {
		key.id = id;
		bpf_map_delete_elem(&prepared, &key);
	}
	id |= OUTRIDER_DETACHED_BIT;
	if (detached_of(this_process(), id))
		end_detached(&h, id, &o, bpf_ktime_get_ns());
	return 0;
}
