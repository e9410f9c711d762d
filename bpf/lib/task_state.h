/* What each thread is doing. `tasks` is task storage: found from the task itself (3 ns), gone with it. Written by the
 * thread's own probes and by the scheduler hooks about it; created by a query's start (or a statement), never by the
 * scheduler hooks, so that threads that run no queries cost one failed lookup.
 *
 * Waiting. While a thread is `active` (a query is open on it) its time goes into acc[] by state: on-CPU, run-queue, or
 * the class of the wait. acc[] only grows while the thread stays active; a frame notes the sums at its start and takes
 * the difference at its end, so nested queries are inclusive and the parts always add up to the wall time. */
#ifndef OUTRIDER_BPF_TASK_STATE_H
#define OUTRIDER_BPF_TASK_STATE_H

#include "slots.h"

struct frame {
	u64 id;          /* from the probe, or the site's tag */
	u64 start_ns;
	u64 stack;       /* stack pointer at the start probe */
	u64 hits, misses; /* cache probes seen inside */
	u32 slot;
	u32 depth;       /* as the guard counts it; 0: unknown */
	u32 reentered;   /* starts of the same tag inside, whose ends are not this frame's */
	u32 nested;      /* not counted in the totals */
	u32 based;       /* the thread was active when it began: base[] is set */
	u32 failed;      /* the engine has said so */
	u32 done;        /* its end was seen, and it lasts until the next command is announced (UNTIL_STATEMENT) */
	u64 base[OUTRIDER_WAIT_CLASSES]; /* acc[] at the start */
};

struct phase_frame {
	u64 start_ns;
	u64 stack;
	u64 name; /* stands for it: see phase_name() */
};

/* The slot of a type name that this thread used before: saves the hash of the name. Compared by content, for the same
 * address may hold another name the next time. */
#define TYPE_CACHE 4
struct cached_type {
	u64 name[4];
	u32 slot;
	u32 nested;
};

struct task_state {
	u32 target;
	u32 generation;
	u32 depth;        /* open frames */
	u32 too_deep;     /* open frames beyond OUTRIDER_MAX_DEPTH */
	u64 first_start_ns; /* of the first query whose start was seen on this thread; 0: none yet */
	u64 current;      /* detached query that this thread works on; 0: none */
	/* scheduler accounting */
	u32 state;        /* enum outrider_run_state */
	u32 wait_class;   /* of the wait that BLOCKED is */
	u32 probe_wait;   /* 1 + class of an open wait probe; 0: none */
	u32 early_wake;   /* woken before the switch-out hook had run */
	u32 dirty;        /* acc[] has more than on-CPU time */
	u32 wait_site;    /* the site that knows where the engine notes its waits */
	u64 wait_word;    /* and the address of that note in this process; 0: the engine has none */
	u64 last_ns;      /* of the last change of state */
	u64 queue;        /* in which it waits for a CPU, and for how long that one had been throttled when it came; 0: not known */
	u64 throttled_ns;
	u64 acc[OUTRIDER_WAIT_CLASSES];
	u64 current_base[OUTRIDER_WAIT_CLASSES];
	/* commands of engines that report failures by silence (PostgreSQL) */
	u64 pending_ns;   /* a command was announced and nothing of it has ended yet */
	char pending_type[OUTRIDER_TYPE_NAME];
	u64 pending_text; /* where the text is that this is the type of; it stays as it is until the command is over. 0: not known */
	/* statements that are prepared and run in steps (SQLite) */
	u64 prepare_at;    /* where the key of the one that is being prepared will be; 0: none is */
	u64 prepare_ns;    /* since when it is */
	u64 prepare_stack; /* the stack pointer there; one prepared inside is the engine's own */
	u64 step_stack;    /* of the step that the thread is in; 0: in none. A step inside is part of it */
	char prepare_type[OUTRIDER_TYPE_NAME];
	u32 prepare_slot; /* 1 + that of one whose key is known and that no answer has ended yet (MariaDB); 0: there is none */
	/* Names are read to here: the kernel checks the destination of a copy, and for a program's stack, which lies in
	 * vmalloc space, that takes a look-up (a seventh of the programs' time in a profile). */
	u64 raw_name[4];
	struct cached_type types[TYPE_CACHE];
	char text[OUTRIDER_QUERY_TEXT]; /* of the outermost query, where it may be read; else empty */
	u32 phase_depth;
	u32 phases_too_deep; /* open ones beyond OUTRIDER_PHASE_DEPTH */
	struct phase_frame phases[OUTRIDER_PHASE_DEPTH];
	struct frame frames[OUTRIDER_MAX_DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} tasks __weak SEC(".maps");

INLINE bool is_active(const struct task_state *st)
{
	return st->depth || st->current;
}

/* Moves the time since the last change into `cls`. */
INLINE void account(struct task_state *st, u32 cls, u64 now)
{
	if (now <= st->last_ns) /* a probe that was preempted after it had read the clock: that time is counted already */
		return;
	if (cls < OUTRIDER_WAIT_CLASSES)
		st->acc[cls] += now - st->last_ns;
	st->last_ns = now;
}

/* Any class but on-CPU. */
INLINE void account_wait(struct task_state *st, u32 cls, u64 now)
{
	st->dirty = 1;
	account(st, cls, now);
}

/* The thread becomes active: it is on the CPU, in a probe. */
INLINE void activate(struct task_state *st, u64 now)
{
	if (st->dirty)
		__builtin_memset(st->acc, 0, sizeof(st->acc));
	st->acc[OUTRIDER_WAIT_CPU] = 0;
	st->dirty = 0;
	st->state = OUTRIDER_ON_CPU;
	st->early_wake = 0;
	st->probe_wait = 0;
	st->last_ns = now;
}

/* NULL beyond the last one. The compiler would fold the index into its callers' arithmetic, out of the verifier's
 * sight: the barrier and the mask pin it. */
INLINE struct frame *frame_at(struct task_state *st, u32 i)
{
	if (i >= OUTRIDER_MAX_DEPTH)
		return 0;
	barrier_var(i);
	return &st->frames[i & (OUTRIDER_MAX_DEPTH - 1)];
}

/* Closes open frames from the top down to `depth`: their queries will never end. */
INLINE void abandon_to(struct task_state *st, struct outrider_target *t, u32 depth)
{
	for (int i = 0; i < OUTRIDER_MAX_DEPTH; i++) {
		struct outrider_slot *slot;
		struct frame *f;

		if (st->depth <= depth)
			break;
		f = frame_at(st, st->depth - 1);
		st->depth--;
		if (!f)
			break;
		slot = slot_of(f->slot);
		if (slot)
			add64(&slot->abandoned, 1);
		if (!f->nested)
			concurrency_down(t);
	}
	st->too_deep = 0;
}

#endif
