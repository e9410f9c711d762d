/* The end of a thread's outermost query, whatever is open inside: that will never end. */
#ifndef OUTRIDER_BPF_OUTERMOST_H
#define OUTRIDER_BPF_OUTERMOST_H

#include "ended.h"

static __noinline int end_outermost(struct here *h, bool failed)
{
	struct outcome o = {.failed = failed};
	u64 now = bpf_ktime_get_ns();

	abandon_to(h->state, h->target, 1);
	end_frame(h, &h->state->frames[0], &o, now);
	return 0;
}

#endif
