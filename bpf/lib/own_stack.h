/* Keeps a probe's program on the stack of the task that hit the probe.
 *
 * Since 6.13 the kernel gives programs of this type a stack that they share with all their other runs on the same
 * processor, and takes care that none begins before another one ends. It takes no such care of uprobes: their programs
 * can be preempted, and the next hit on that processor overwrites what the first one had on its stack. Seen on 7.3: a NULL
 * pointer where the context had been, and with it the end of the engine's thread. A program with a tail call keeps the
 * stack of its task. This one is never made: the verifier removes it, and only the note that there was one stays. */
#ifndef OUTRIDER_BPF_OWN_STACK_H
#define OUTRIDER_BPF_OWN_STACK_H

#include "common.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} no_programs __weak SEC(".maps");

const volatile __u32 never __weak = 0;

INLINE void keep_own_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, &no_programs, 0);
}

#endif
