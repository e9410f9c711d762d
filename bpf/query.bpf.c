/* Queries, their phases, caches and commands, as the probes of the watched engines tell them.
 *
 * start   find the thread's state; close frames that were left without an end (longjmp: the guard's depth or the stack
 *         pointer tells); find the type's slot; push a frame; raise the target's concurrency if it is the outermost.
 * end     find the frame by id (frames above it were skipped: abandoned); its wall time is the guard's own measurement
 *         where the probe hands one over, else the two clock readings here; add one query to its slot.
 * Queries whose id has OUTRIDER_DETACHED_BIT live in a hash instead (lib/detached.h).
 * Light mode: no start was probed, the end probe alone carries type, duration, depth. */
#include "lib/args.h"
#include "lib/detached.h"
#include "lib/phases.h"
#include "lib/sql_type.h"

char LICENSE[] SEC("license") = "GPL";

/* All that a handler needs to know of where it is. */
struct here {
	const struct outrider_site *site;
	struct outrider_target *target;
	struct task_state *state; /* may be NULL */
	u32 target_index;
};

INLINE u32 this_process(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* Drops what was in flight when the agent changed the probes: ends may have been missed. */
INLINE void renew(struct here *h)
{
	struct task_state *st = h->state;

	if (st->target == h->target_index && st->generation == h->target->generation)
		return;
	/* Ends that carry a duration are counted when they come. */
	if (st->depth && h->site->tag)
		count_loss(h->target_index, OUTRIDER_LOSS_DISCARDED, st->depth);
	st->target = h->target_index;
	st->generation = h->target->generation;
	st->depth = 0;
	st->too_deep = 0;
	st->current = 0;
	st->pending_ns = 0;
	st->phase_depth = 0;
}

/* False: the process is not watched. `create`: make a state for a thread that has none. */
INLINE bool locate(void *ctx, struct here *h, enum outrider_run run, bool create)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct outrider_target_cell *cell;
	struct outrider_process *process;

	h->state = bpf_task_storage_get(&tasks, task, 0, 0);
	if (h->state) {
		/* Only threads of watched processes have one, and an exec takes it away. */
		h->target_index = h->state->target;
	} else {
		process = process_of(this_process());
		if (!process)
			return false;
		h->target_index = process->target;
	}
	h->target = target_of(h->target_index);
	h->site = site_of(ctx);
	cell = cell_of(h->target_index);
	if (!h->target || !h->site)
		return false;
	if (cell) {
		add64(&cell->runs[run], 1);
		if (h->site->flags & OUTRIDER_SITE_SHARES_TRAP)
			add64(&cell->runs[OUTRIDER_RUN_SHARED_TRAP], 1);
	}
	if (!h->state && create) {
		h->state = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!h->state)
			count_loss(h->target_index, OUTRIDER_LOSS_TASK_STORAGE, 1);
	}
	if (h->state)
		renew(h);
	return true;
}

/* By the name in the target's memory. */
INLINE u32 named_slot(struct here *h, const char *name, bool nested)
{
	struct outrider_type_key key = {};
	struct cached_type *cached = 0;
	u64 *raw = h->state ? h->state->raw_name : 0;

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
	if (!cached)
		return slot_for(&key, h->target);
	cached->slot = slot_for(&key, h->target);
	cached->nested = nested;
	__builtin_memcpy(cached->name, raw, sizeof(cached->name));
	return cached->slot;
}

INLINE u32 type_slot(void *ctx, struct here *h, bool nested)
{
	struct outrider_type_key key = {};
	u64 type = 0;
	bool known = false;

	if (!(h->site->flags & OUTRIDER_SITE_TYPE_FROM_STATEMENT)) {
		if (!read_arg(ctx, h->site, 1, &type) || !type)
			count_loss(h->target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		else if (!(h->site->flags & OUTRIDER_SITE_TYPE_IS_SQL))
			return named_slot(h, (const char *)type, nested);
		else
			known = sql_type((const char *)type, key.name) > 0;
	} else if (h->state) {
		__builtin_memcpy(key.name, h->state->pending_type, sizeof(key.name));
		known = key.name[0];
	}
	if (!known)
		__builtin_memcpy(key.name, "UNKNOWN", 8);
	key.target = h->target_index;
	key.nested = nested;
	return slot_for(&key, h->target);
}

INLINE void count_query(u32 slot_index, u64 duration, bool failed, u64 hits, u64 misses)
{
	struct outrider_slot *slot = slot_of(slot_index);
	u32 bucket = outrider_hist_index(duration);

	if (!slot)
		return;
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
}

/* Adds a query's parts, which sum to the kernel's wall time, so that they sum to `duration`: what lies between the
 * guard's clock and ours is our own traps, spent on the CPU. */
INLINE void count_waits(u32 slot_index, u64 *parts, u64 kernel_wall, u64 duration)
{
	struct outrider_slot *slot = slot_of(slot_index);

	if (!slot)
		return;
	if (kernel_wall >= duration) {
		u64 extra = kernel_wall - duration;
		u64 cut = extra < parts[OUTRIDER_WAIT_CPU] ? extra : parts[OUTRIDER_WAIT_CPU];

		parts[OUTRIDER_WAIT_CPU] -= cut;
		extra -= cut;
		cut = extra < parts[OUTRIDER_WAIT_RUN_QUEUE] ? extra : parts[OUTRIDER_WAIT_RUN_QUEUE];
		parts[OUTRIDER_WAIT_RUN_QUEUE] -= cut;
	} else {
		parts[OUTRIDER_WAIT_UNATTRIBUTED] += duration - kernel_wall;
	}
	for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++)
		if (parts[i])
			add64(&slot->wait_ns[i], parts[i]);
}

INLINE void start_detached(void *ctx, struct here *h, u64 id, u64 now)
{
	struct detached_key key = {.tgid = this_process(), .id = id};
	struct detached_query q = {};

	q.start_ns = now;
	q.slot = type_slot(ctx, h, false);
	q.target = h->target_index;
	q.generation = h->target->generation;
	leave_current(h->state, this_process(), now);
	if (bpf_map_update_elem(&detached, &key, &q, BPF_NOEXIST)) {
		count_loss(h->target_index, OUTRIDER_LOSS_INFLIGHT_FULL, 1);
		return;
	}
	enter_current(h->state, id, now);
	concurrency_up(h->target);
	__sync_fetch_and_add(&h->target->detached, 1);
}

/* Closes frames that a longjmp skipped: they have the depth that the new query has itself, or, where the engine counts no
 * depth, a stack that the new query's probe has popped. */
INLINE void drop_skipped(struct here *h, u64 stack, u64 depth)
{
	struct task_state *st = h->state;
	u32 keep = st->depth;

	for (int i = 0; i < OUTRIDER_MAX_DEPTH; i++) {
		struct frame *f = keep ? frame_at(st, keep - 1) : 0;

		if (!f || !(depth ? f->depth >= depth : f->stack < stack))
			break;
		keep--;
	}
	if (keep < st->depth)
		abandon_to(st, h->target, keep);
}

INLINE void push_frame(void *ctx, struct here *h, u64 id, u64 depth, u64 stack, u64 now)
{
	struct task_state *st = h->state;
	bool nested = depth ? depth > 1 : is_active(st);
	struct frame *f = frame_at(st, st->depth);

	if (!f) {
		st->too_deep++;
		count_loss(h->target_index, OUTRIDER_LOSS_TOO_DEEP, 1);
		return;
	}
	if (is_active(st)) {
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
	f->nested = nested;
	f->slot = type_slot(ctx, h, nested);
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

	if (!locate(ctx, &h, OUTRIDER_RUN_START, true) || !h.state)
		return 0;
	if (h.target->mode == OUTRIDER_MODE_LIGHT)
		return 0;
	now = bpf_ktime_get_ns();
	if (!read_arg(ctx, h.site, 0, &id) || !read_arg(ctx, h.site, 2, &depth))
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	if (!id)
		id = h.site->tag;
	note_wait_word(ctx, &h);
	if (id & OUTRIDER_DETACHED_BIT) {
		start_detached(ctx, &h, id, now);
		return 0;
	}
	if (h.site->flags & OUTRIDER_SITE_OUTERMOST && h.state->depth) {
		if (h.state->frames[0].id == id)
			h.state->frames[0].reentered++;
		return 0;
	}
	stack = stack_pointer(ctx);
	drop_skipped(&h, stack, depth);
	push_frame(ctx, &h, id, depth, stack, now);
	return 0;
}

SEC("uprobe.multi")
int handle_query_start(void *ctx)
{
	return query_start(ctx);
}

struct outcome {
	u64 duration; /* 0: not handed over by the probe */
	bool failed;
	u64 hits, misses;
};

INLINE void end_light(void *ctx, struct here *h, const struct outcome *o, u64 depth)
{
	struct outrider_slot *slot;
	u32 index;

	if (!o->duration) {
		count_loss(h->target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return;
	}
	index = type_slot(ctx, h, depth > 1);
	slot = slot_of(index);
	if (slot)
		add64(&slot->untimed, 1);
	count_query(index, o->duration, o->failed, o->hits, o->misses);
}

/* Nothing is known of the query's start. One that began before its start was probed is counted by what its end says;
 * any other (a fork's child ends what its parent began) is a loss. */
INLINE void end_without_start(void *ctx, struct here *h, const struct outcome *o, u64 depth, u64 now)
{
	if (o->duration && now - o->duration < h->target->counts_from_ns)
		end_light(ctx, h, o, depth);
	else
		count_loss(h->target_index, OUTRIDER_LOSS_UNMATCHED_END, 1);
}

INLINE void end_detached(void *ctx, struct here *h, u64 id, const struct outcome *o, u64 now)
{
	struct detached_key key = {.tgid = this_process(), .id = id};
	struct detached_query *q;
	u64 parts[OUTRIDER_WAIT_CLASSES], sum = 0, wall, duration;
	u32 slot, generation;

	if (h->state && h->state->current == id)
		leave_current(h->state, this_process(), now);
	q = bpf_map_lookup_elem(&detached, &key);
	if (!q) {
		end_without_start(ctx, h, o, 1, now);
		return;
	}
	wall = now - q->start_ns;
	slot = q->slot;
	generation = q->generation;
	for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++) {
		parts[i] = q->wait_ns[i];
		sum += parts[i];
	}
	bpf_map_delete_elem(&detached, &key);
	if (generation != h->target->generation) {
		end_without_start(ctx, h, o, 1, now);
		return;
	}
	duration = o->duration ? o->duration : wall;
	if (wall > sum)
		parts[OUTRIDER_WAIT_UNATTRIBUTED] += wall - sum;
	else
		wall = sum;
	__sync_fetch_and_add(&h->target->detached, -1);
	concurrency_down(h->target);
	count_waits(slot, parts, wall, duration);
	count_query(slot, duration, o->failed, o->hits, o->misses);
}

/* The top frame ends. */
INLINE void end_frame(struct here *h, struct frame *f, const struct outcome *o, u64 now)
{
	struct task_state *st = h->state;
	u64 parts[OUTRIDER_WAIT_CLASSES] = {};
	u64 wall = now - f->start_ns;
	u64 duration = o->duration ? o->duration : wall;
	bool last;

	account(st, OUTRIDER_WAIT_CPU, now);
	st->depth--;
	last = !is_active(st); /* its share of acc[] is all of it */
	if (last && !st->dirty) {
		parts[OUTRIDER_WAIT_CPU] = st->acc[OUTRIDER_WAIT_CPU]; /* it never left its CPU */
	} else if (last) {
		__builtin_memcpy(parts, st->acc, sizeof(parts));
	} else {
		for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++)
			parts[i] = st->acc[i] - f->base[i];
	}
	if (!f->nested)
		concurrency_down(h->target);
	if (last)
		st->probe_wait = 0;
	count_waits(f->slot, parts, wall, duration);
	count_query(f->slot, duration, o->failed, o->hits + f->hits, o->misses + f->misses);
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

INLINE void end_on_thread(void *ctx, struct here *h, u64 id, const struct outcome *o, u64 depth, u64 now)
{
	struct task_state *st = h->state;
	struct frame *f;
	u32 at;

	if (!st)
		return; /* no memory for one: counted */
	at = find_frame(st, id);
	f = frame_at(st, at);
	if (!f) {
		if (st->too_deep)
			st->too_deep--;
		else if (!h->site->tag) /* a tagged end without its start closes what another start opened */
			end_without_start(ctx, h, o, depth, now);
		return;
	}
	if (f->reentered) {
		f->reentered--;
		return;
	}
	abandon_to(st, h->target, at + 1);
	st->pending_ns = 0;
	end_frame(h, f, o, now);
}

SEC("uprobe.multi")
int handle_query_end(void *ctx)
{
	struct outcome o = {};
	struct here h;
	u64 now, id = 0, status = 0, depth = 0;
	bool ok;

	if (!locate(ctx, &h, OUTRIDER_RUN_END, true))
		return 0;
	ok = read_arg(ctx, h.site, 0, &id);
	ok &= read_arg(ctx, h.site, 2, &status);
	ok &= read_arg(ctx, h.site, 3, &o.duration);
	ok &= read_arg(ctx, h.site, 4, &depth);
	ok &= read_arg(ctx, h.site, 5, &o.hits);
	ok &= read_arg(ctx, h.site, 6, &o.misses);
	if (!ok)
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	o.failed = status != 0;
	if (h.target->mode == OUTRIDER_MODE_LIGHT) {
		end_light(ctx, &h, &o, depth);
		return 0;
	}
	now = bpf_ktime_get_ns();
	if (!id)
		id = h.site->tag;
	if (id & OUTRIDER_DETACHED_BIT)
		end_detached(ctx, &h, id, &o, now);
	else
		end_on_thread(ctx, &h, id, &o, depth, now);
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

/* The engine says that this site means nothing now. */
INLINE bool is_void(void *ctx, const struct here *h)
{
	__u8 byte = 0;

	return h->site->unless &&
	       bpf_probe_read_user(&byte, sizeof(byte), (void *)(site_address(ctx) + h->site->unless)) == 0 && byte;
}

/* The engine announces the text of a command, or, with none (NULL), that it has become idle. A command of which nothing
 * ended in between has failed: such engines leave by longjmp. A text without a command in it is not followed. */
SEC("uprobe.multi")
int handle_statement(void *ctx)
{
	char type[OUTRIDER_TYPE_NAME] = {};
	struct outcome o = {.failed = true};
	struct here h;
	u64 text = 0;
	int known;

	if (!locate(ctx, &h, OUTRIDER_RUN_STATEMENT, true) || !h.state)
		return 0;
	if (!read_arg(ctx, h.site, 0, &text)) {
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	known = sql_type((const char *)text, type);
	if (known < 0)
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	if (text) {
		if (known <= 0 || h.state->depth || is_void(ctx, &h))
			return 0;
		if (!h.state->pending_ns)
			h.state->pending_ns = bpf_ktime_get_ns();
		__builtin_memcpy(h.state->pending_type, type, sizeof(type));
		return 0;
	}
	if (h.state->depth) {
		u64 now = bpf_ktime_get_ns();

		abandon_to(h.state, h.target, 1);
		end_frame(&h, &h.state->frames[0], &o, now);
	} else if (h.state->pending_ns) {
		struct outrider_type_key key = {};
		u64 parts[OUTRIDER_WAIT_CLASSES] = {};
		u32 slot;

		key.target = h.target_index;
		__builtin_memcpy(key.name, h.state->pending_type, sizeof(key.name));
		slot = slot_for(&key, h.target);
		o.duration = bpf_ktime_get_ns() - h.state->pending_ns;
		count_waits(slot, parts, 0, o.duration);
		count_query(slot, o.duration, true, 0, 0);
	}
	h.state->pending_ns = 0;
	return 0;
}

SEC("uprobe.multi")
int handle_statement_ok(void *ctx)
{
	struct here h;

	if (locate(ctx, &h, OUTRIDER_RUN_STATEMENT, false) && h.state)
		h.state->pending_ns = 0;
	return 0;
}

SEC("uprobe.multi")
int handle_cache(void *ctx)
{
	struct outrider_target_cell *cell;
	struct frame *f = 0;
	struct here h;
	u64 hit = 0;

	if (!locate(ctx, &h, OUTRIDER_RUN_CACHE, false))
		return 0;
	if (!read_arg(ctx, h.site, 0, &hit)) {
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	if (h.state && h.state->depth)
		f = frame_at(h.state, h.state->depth - 1);
	if (f) {
		if (hit)
			f->hits++;
		else
			f->misses++;
		return 0;
	}
	cell = cell_of(h.target_index);
	if (cell)
		add64(hit ? &cell->cache_hits : &cell->cache_misses, 1);
	return 0;
}

SEC("uprobe.multi")
int handle_wait_start(void *ctx)
{
	struct here h;
	u64 cls = 0;

	if (locate(ctx, &h, OUTRIDER_RUN_WAIT, false) && h.state && read_arg(ctx, h.site, 0, &cls))
		h.state->probe_wait = cls + 1;
	return 0;
}

SEC("uprobe.multi")
int handle_wait_end(void *ctx)
{
	struct here h;

	if (locate(ctx, &h, OUTRIDER_RUN_WAIT, false) && h.state)
		h.state->probe_wait = 0;
	return 0;
}

SEC("uprobe.multi")
int handle_phase_start(void *ctx)
{
	struct here h;

	if (locate(ctx, &h, OUTRIDER_RUN_PHASE, true) && h.state)
		phase_push(h.state, stack_pointer(ctx), bpf_ktime_get_ns());
	return 0;
}

SEC("uprobe.multi")
int handle_phase_end(void *ctx)
{
	struct outrider_phase_key key = {};
	struct here h;
	u64 name = 0;

	if (!locate(ctx, &h, OUTRIDER_RUN_PHASE, false) || !h.state)
		return 0;
	key.target = h.target_index;
	if (h.site->name[0]) {
		__builtin_memcpy(key.name, h.site->name, sizeof(key.name));
	} else if (!read_arg(ctx, h.site, 0, &name) ||
		   bpf_probe_read_user_str(key.name, sizeof(key.name), (const char *)name) <= 1) {
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	phase_pop(h.state, &key, stack_pointer(ctx), bpf_ktime_get_ns());
	return 0;
}

/* For the agent's own measurement of what a trap costs here. */
SEC("uprobe.multi")
int handle_nothing(void *ctx)
{
	return 0;
}
