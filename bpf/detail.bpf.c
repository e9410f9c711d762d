/* What happens inside queries: cache look-ups, waits that the engine names, phases. And the probe that does nothing. */
#include "lib/here.h"
#include "lib/phases.h"

char LICENSE[] SEC("license") = "GPL";

/* Where a lookup is announced when it begins, and what it did not find later. */
INLINE void count_lookup(struct frame *f, bool hit, bool tentative)
{
	if (hit) {
		f->hits++;
		return;
	}
	if (tentative && !f->hits)
		return; /* the lookup itself was not counted */
	if (tentative)
		f->hits--;
	f->misses++;
}

SEC("uprobe.multi")
int handle_cache(void *ctx)
{
	struct outrider_target_cell *cell;
	struct frame *f = 0;
	struct here h;
	u64 hit = 0, skip = 0;
	bool tentative;

	if (!locate(ctx, &h, OUTRIDER_RUN_CACHE, false))
		return 0;
	if (!read_arg(ctx, h.site, 0, &hit) || !read_arg(ctx, h.site, 1, &skip)) {
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	if (skip)
		return 0;
	tentative = h.site->flags & OUTRIDER_SITE_TENTATIVE;
	if (h.state && h.state->depth)
		f = frame_at(h.state, h.state->depth - 1);
	/* While its two probes come and go one after the other, a miss would look like a hit. */
	if (tentative && (!f || f->start_ns < h.target->phases_from_ns))
		return 0;
	if (f) {
		count_lookup(f, hit, tentative);
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

/* What stands for a phase's name while it is open: where it lies, or its first bytes if the profile has given it. */
INLINE u64 phase_name(void *ctx, const struct here *h)
{
	u64 name = 0;

	if (h->site->name[0])
		__builtin_memcpy(&name, h->site->name, sizeof(name));
	else
		read_arg(ctx, h->site, 0, &name);
	return name;
}

SEC("uprobe.multi")
int handle_phase_start(void *ctx)
{
	struct here h;

	if (locate(ctx, &h, OUTRIDER_RUN_PHASE, true) && has_state(&h))
		phase_push(&h, phase_name(ctx, &h), stack_pointer(ctx), bpf_ktime_get_ns());
	return 0;
}

SEC("uprobe.multi")
int handle_phase_end(void *ctx)
{
	struct outrider_phase_key key = {};
	struct here h;
	u64 name;

	if (!locate(ctx, &h, OUTRIDER_RUN_PHASE, false) || !h.state)
		return 0;
	name = phase_name(ctx, &h);
	key.target = h.target_index;
	if (h.site->name[0]) {
		__builtin_memcpy(key.name, h.site->name, sizeof(key.name));
	} else if (!name ||
		   bpf_probe_read_user_str(key.name, sizeof(key.name), (const char *)name) <= 1) {
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	phase_pop(&h, name, &key, bpf_ktime_get_ns());
	return 0;
}

/* For the agent's own measurement of what a trap costs here. */
SEC("uprobe.multi")
int handle_nothing(void *ctx)
{
	return 0;
}
