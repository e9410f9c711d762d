/* Every type that the BPF programs and the agent share, defined once. Plain C, fixed width, explicit
 * padding, sizes asserted. All times are nanoseconds of CLOCK_MONOTONIC, all counters only ever grow
 * (the agent takes differences), histogram cells are taken modulo 2^32. */
#ifndef OUTRIDER_ABI_H
#define OUTRIDER_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "histogram.h"
#include "wait_class.h"

#define OUTRIDER_MAX_TARGETS 64
#define OUTRIDER_MAX_SLOTS 1024      /* (target, type, nested) triples, all targets together */
#define OUTRIDER_MAX_SHARDS 4        /* copies of each counter, chosen by CPU, summed by the agent */
#define OUTRIDER_MAX_DEPTH 8         /* nested queries followed per thread */
#define OUTRIDER_TYPE_NAME 28        /* bytes of a phase's name; a type's has one less */
#define OUTRIDER_MAX_HOPS 2          /* pointers that are followed to an argument */
#define OUTRIDER_MAX_ARGS 7          /* arguments that a role can ask of a site */
#define OUTRIDER_EPOCHS 4            /* interval cells: current epoch and three before it */
#define OUTRIDER_MAX_FILES 64        /* probed at a time: one bit each */
#define OUTRIDER_MAX_PHASES 256      /* (target, phase name) pairs, all targets together */
#define OUTRIDER_PHASE_DEPTH 4       /* nested phases followed per thread */
#define OUTRIDER_KERNEL_FRAMES 32    /* of a stack, the innermost ones */
#define OUTRIDER_MAX_PREPARED 16384 /* statements whose types are kept, all targets together */
#define OUTRIDER_DETACHED_BIT (1ULL << 63) /* in a query id: may change threads, keyed by (process, id) */

#include "queries.h"
#include "statement.h"

/* Why something that was seen could not be counted, or was counted with less detail. */
enum outrider_loss {
	OUTRIDER_LOSS_TYPES_FULL = 0,   /* no slot left: counted under `other` */
	OUTRIDER_LOSS_TASK_STORAGE,     /* no state for a thread: see has_state() */
	OUTRIDER_LOSS_INFLIGHT_FULL,    /* id-keyed table full: query start not seen */
	OUTRIDER_LOSS_TOO_DEEP,         /* nested deeper than OUTRIDER_MAX_DEPTH, or OUTRIDER_PHASE_DEPTH: not followed */
	OUTRIDER_LOSS_UNMATCHED_END,    /* an end without a start (began before the attach, fork child) */
	OUTRIDER_LOSS_ARGUMENT,         /* a probe argument could not be read */
	OUTRIDER_LOSS_TARGETS_FULL,     /* a forked process could not be followed: table full */
	OUTRIDER_LOSS_PHASES_FULL,      /* no phase cell left */
	OUTRIDER_LOSS_DISCARDED,        /* in flight when the probes changed mode: dropped, not counted */
	OUTRIDER_LOSS_SLOW_BUSY,        /* counted, but maybe missing from the list of the slowest: it was in use */
	OUTRIDER_LOSS_BLOCKS_FULL,      /* a wait that was counted, of which it is not told whose query ended it */
	OUTRIDER_LOSSES
};

#define OUTRIDER_LOSS_NAMES                                                                        \
	{"types_full",    "task_storage_failed", "inflight_full", "too_deep", "unmatched_end",     \
	 "argument_read", "targets_full",        "phases_full",   "discarded",     "slow_busy",      \
	 "blocks_full"}

/* What a program was doing when it ran for a target; the price is runs x (trap + program time). */
enum outrider_run {
	OUTRIDER_RUN_START = 0,
	OUTRIDER_RUN_END,
	OUTRIDER_RUN_STATEMENT,
	OUTRIDER_RUN_SWITCH,
	OUTRIDER_RUN_PHASE,
	OUTRIDER_RUN_CACHE,
	OUTRIDER_RUN_WAIT,
	OUTRIDER_RUN_SCHED_SWITCH,  /* no trap: a scheduler hook that did work for a query */
	OUTRIDER_RUN_SCHED_WAKING,
	OUTRIDER_RUN_SHARED_TRAP,   /* no run of its own: a probe program that ran on another one's trap */
	OUTRIDER_RUNS
};

/* One (target, type, nested) triple, one shard. Nested queries have slots of their own, so that a target's
 * totals are the sum of its outermost slots and a type's figures the sum of both. */
struct outrider_slot {
	__u64 queries;      /* ended, failed ones included */
	__u64 failed;
	__u64 abandoned;    /* started, never ended */
	__u64 duration_ns;  /* sum of wall times */
	__u64 cache_hits;   /* guard-counted and probe-seen, not those of a nested query */
	__u64 cache_misses;
	__u64 untimed;      /* of `queries`, those whose waits were not followed (light mode) */
	__u64 reserved;
	__u64 wait_ns[OUTRIDER_WAIT_CLASSES];
	__u64 max_ns[OUTRIDER_EPOCHS]; /* by interval epoch; cleared by the agent before its use */
	__u32 histogram[OUTRIDER_HIST_BUCKETS];
	__u32 pad;
};

/* Counters of one target, one shard. */
struct outrider_target_cell {
	__u64 starts;
	__u64 cache_hits;    /* cache probes hit outside any query; those inside are in the slots */
	__u64 cache_misses;
	__u64 exited_cpu_ns; /* CPU time, page faults of threads that are gone */
	__u64 exited_faults;
	__u64 forks;
	__u64 execs;
	__u64 losses[OUTRIDER_LOSSES];
	__u64 runs[OUTRIDER_RUNS];
};

/* OFF: probes that are attached for another target's sake count for nothing but their cost. */
enum outrider_mode { OUTRIDER_MODE_FULL = 0, OUTRIDER_MODE_LIGHT, OUTRIDER_MODE_OFF };

/* State of one target that cannot be sharded. What every probe reads, what every query writes and what the scan writes
 * lie on cache lines of their own. */
struct outrider_target {
	__u32 mode;                     /* enum outrider_mode */
	__u32 generation;               /* bumped by the agent when probes change: older frames are dropped */
	__u32 other_slot;               /* where types go when the pool is empty; nested ones: the next slot */
	__u32 max_types;
	__u32 types;                    /* slots taken */
	__u32 exe_device;               /* the target's binary: an exec of anything else leaves the target */
	__u64 exe_inode;
	__u64 counts_from_ns;           /* both ends of a query are probed since then; all ones: not yet, or no more */
	__u64 phases_from_ns;           /* the same for phases */
	__u32 texts;                    /* the text of its queries may be read */
	__u32 statements;               /* enum outrider_sql_dialect: its types are statements of it; NONE: first keywords */
	__u32 by;                       /* OUTRIDER_BY_*: whose statements are types of their own */
	__u32 pad0;
	__s64 concurrent;               /* outermost queries in flight */
	__u64 peak[OUTRIDER_EPOCHS];    /* highest `concurrent`, by interval epoch */
	__s64 detached;                 /* id-keyed queries in flight */
	__u64 pad1[2];
	/* filled by the task iterator, cleared by the agent before each scan */
	__u64 live_cpu_ns;
	__u64 live_faults;
	__u64 oldest_start_ns;          /* of the queries in flight on threads; 0: none */
	__u32 live_threads;
	__u32 live_in_flight;           /* outermost queries open on threads */
	__u64 pad2[4];
};

struct outrider_type_key {
	__u32 target;
	__u8 nested;
	char name[OUTRIDER_TYPE_NAME - 1];
};

struct outrider_phase_key {
	__u32 target;
	char name[OUTRIDER_TYPE_NAME];
};

/* One (target, phase), one shard. */
struct outrider_phase_cell {
	__u64 count;
	__u64 total_ns;
};

/* A process that belongs to a target. */
struct outrider_process {
	__u32 target;
	__u32 ended; /* its last thread is exiting: kept until the interval's end, for the threads that exit with it */
	__u64 files; /* the probed files it has mapped, by bit */
};

/* A binary whose new processes join a target at exec. */
struct outrider_exe_key {
	__u64 inode;
	__u32 device; /* kernel encoding: major << 20 | minor */
	__u32 pad;
};

/* What such a process joins as. */
struct outrider_exe {
	__u32 target;
	__u32 pad;
	__u64 files; /* as in struct outrider_process */
	char comm[16]; /* not empty: only processes of this name join, others run the same file for something else */
};

/* Where a site keeps one argument. */
enum outrider_arg_kind {
	OUTRIDER_ARG_NONE = 0,
	OUTRIDER_ARG_CONST,  /* value */
	OUTRIDER_ARG_REG,    /* reg */
	OUTRIDER_ARG_DEREF,  /* *(reg + value) in the target's memory */
};

struct outrider_arg {
	__u8 kind;
	__u8 reg;      /* enum outrider_reg */
	__s8 size;     /* bytes: 1, 2, 4, 8; negative: signed */
	__u8 hops;     /* so often it is an address, and what stands there is taken instead */
	__s16 hop[OUTRIDER_MAX_HOPS]; /* so far from there */
	__s64 value;   /* of REG: the bits of it that are meant; 0: all */
};

/* x86-64 first; arm64 uses 0..30 for x0..x30 and 31 for sp. */
enum outrider_reg {
	OUTRIDER_REG_AX = 0, OUTRIDER_REG_BX, OUTRIDER_REG_CX, OUTRIDER_REG_DX,
	OUTRIDER_REG_SI, OUTRIDER_REG_DI, OUTRIDER_REG_BP, OUTRIDER_REG_SP,
	OUTRIDER_REG_R8, OUTRIDER_REG_R9, OUTRIDER_REG_R10, OUTRIDER_REG_R11,
	OUTRIDER_REG_R12, OUTRIDER_REG_R13, OUTRIDER_REG_R14, OUTRIDER_REG_R15,
	OUTRIDER_REG_IP,
};

/* What a probe site means: which BPF program it is given to. */
enum outrider_role {
	OUTRIDER_ROLE_QUERY_START = 0, /* args: id, type, depth */
	OUTRIDER_ROLE_QUERY_END,       /* args: id, type, status, duration_ns, depth, hits, misses */
	OUTRIDER_ROLE_QUERY_SWITCH,    /* args: id */
	OUTRIDER_ROLE_QUERY_FAILED,    /* the thread's innermost query will have failed when it ends; no args */
	OUTRIDER_ROLE_STATEMENT,       /* args: text (NULL: the command is over) */
	OUTRIDER_ROLE_STATEMENT_OK,    /* a step of the command ended well; no args */
	OUTRIDER_ROLE_PHASE_START,     /* args: name */
	OUTRIDER_ROLE_PHASE_END,       /* args: name */
	OUTRIDER_ROLE_CACHE,           /* args: hit (non-zero: a hit), skip (non-zero: nothing at all) */
	OUTRIDER_ROLE_WAIT_START,      /* args: wait class (a constant of the profile) */
	OUTRIDER_ROLE_WAIT_END,
	OUTRIDER_ROLE_PREPARE,         /* args: text, key, key_at, length: a statement that is run later, known by its key */
	OUTRIDER_ROLE_PREPARE_END,     /* args: result (non-zero: it failed); its key is now at key_at */
	OUTRIDER_ROLE_STEP,            /* args: key; a query that is run in steps begins, or goes on */
	OUTRIDER_ROLE_STEP_END,        /* args: result, more, done: the two results that are no failure */
	OUTRIDER_ROLE_STEPS_OVER,      /* args: key; there will be no more */
	OUTRIDER_ROLES
};

#define OUTRIDER_SITE_TYPE_IS_SQL 1u  /* the type argument is SQL text: its first keyword is the type */
#define OUTRIDER_SITE_OUTERMOST 2u    /* ignored while another query of this thread is open */
#define OUTRIDER_SITE_TYPE_FROM_STATEMENT 4u /* the type comes from the last STATEMENT text */
#define OUTRIDER_SITE_SHARES_TRAP 8u         /* another role of the same site pays for the trap */
#define OUTRIDER_SITE_WAIT_WORD_POINTER 16u  /* `wait_word` leads to a pointer to the word */

#define OUTRIDER_SITE_TEXT_IS_NAME 32u       /* the text is the type's name already, in any case of letters */
#define OUTRIDER_SITE_TYPE_IS_NUMBER 64u     /* the type argument is a 32-bit number, which is the type's name */
#define OUTRIDER_SITE_SAME_STACK 128u        /* an end only where the stack is no deeper than at the query's start */
#define OUTRIDER_SITE_FORGETS_KEY 256u       /* after it the key may be another statement's */
#define OUTRIDER_SITE_TYPE_IS_KEY 512u       /* the type argument is the key of a statement that was prepared: its type */

#define OUTRIDER_SITE_TENTATIVE 1024u        /* inside queries alone: a hit until a miss says that it was none */
#define OUTRIDER_SITE_UNTIL_STATEMENT 2048u  /* an end that is one only once the next STATEMENT comes: a commit may follow */

#define OUTRIDER_WAIT_WORD_CLASSES 16

/* One probed site; the attach cookie is its index. */
struct outrider_site {
	__u32 flags;
	__u32 tag;     /* an end matches only a start of the same tag */
	__u32 nargs;
	char name[OUTRIDER_TYPE_NAME]; /* constant name of a phase or a type, from the profile; may be empty */
	struct outrider_arg args[OUTRIDER_MAX_ARGS];
	/* Where the engine itself notes what it waits for, in a 32-bit word: a distance from the site, so that it holds
	 * wherever the file is loaded. 0: nowhere. */
	__s64 wait_word;
	__u32 wait_shift; /* the bits of the word that tell the class: (word >> shift) & mask */
	__u32 wait_mask;
	__u8 wait_classes[OUTRIDER_WAIT_WORD_CLASSES]; /* by those bits: 1 + class; 0: the kernel knows better */
	__s64 unless; /* distance to a byte of the engine; the site means nothing while that is not 0. 0: always means it */
	/* Two overlay mounts of one image show one file as two, and probes on either fire for both. A process's own file
	 * is the one that counts. */
	__u64 file;   /* bit of the file that the site is in */
	__u64 twins;  /* bits of the files that may be the same one; 0: none */
};

/* Queries that may change threads, and statements that were prepared, by their process and id. */
struct outrider_detached_key {
	__u32 tgid;
	__u32 pad;
	__u64 id;
};

struct outrider_detached_query {
	__u64 start_ns;
	__u32 slot;
	__u32 target;
	__u32 generation;
	__u32 pad;
	__u64 wait_ns[OUTRIDER_WAIT_CLASSES];
};

/* ---- stacks (sample.bpf.c) ---- */

#define OUTRIDER_USER_FRAMES 127   /* as many as the kernel itself collects */
#define OUTRIDER_MAX_STACKS 8192   /* different ones between two readings */
#define OUTRIDER_MAX_BLOCKED 4096  /* threads that wait at the same time */

/* Why a sample or a wait is in no stack, or in one with less detail. */
enum outrider_stack_loss {
	OUTRIDER_STACK_LOSS_FULL = 0,     /* no room for another stack until the next reading */
	OUTRIDER_STACK_LOSS_BUSY,         /* the table could not be changed at this moment */
	OUTRIDER_STACK_LOSS_BLOCKED_FULL, /* too many threads wait: this wait has no stack */
	OUTRIDER_STACK_LOSS_NO_USER,      /* counted, but with no frame of the engine itself */
	OUTRIDER_STACK_LOSSES
};

#define OUTRIDER_STACK_LOSS_NAMES {"stacks_full", "stacks_busy", "blocked_full", "no_user_stack"}

#define OUTRIDER_STACK_WHOLE 1u /* its outermost frame was reached */

/* A stack as the key of its own counter: two different ones can never be taken for each other. Every byte counts;
 * unused ones are zero. */
struct outrider_stack_key {
	__u16 path[OUTRIDER_MAX_DEPTH]; /* 1 + slot of each open query, the outermost first; 0: none */
	__u32 tgid;                     /* whose addresses user[] has */
	__u8 wait_class;                /* OUTRIDER_WAIT_CPU: it ran */
	__u8 flags;
	__u8 round;                     /* of reading: nobody adds to those of an earlier one */
	__u8 target;
	__u64 kernel[OUTRIDER_KERNEL_FRAMES]; /* return addresses, innermost first, zeros behind the outermost */
	__u64 user[OUTRIDER_USER_FRAMES];
};

struct outrider_stack_value {
	__u64 count;
	__u64 ns; /* waited */
};

/* A thread that waits now. */
struct outrider_blocked {
	__u64 since_ns;
	struct outrider_stack_key key;
};

/* Of one target, since the sampler was attached. */
struct outrider_stack_counts {
	__u64 samples;     /* of threads in a query */
	__u64 waits;
	__u64 short_waits; /* of `waits`, those below the threshold: in no stack */
	__u64 short_ns;
	__u64 losses[OUTRIDER_STACK_LOSSES];
};

#ifdef __cplusplus
#define OUTRIDER_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), "layout is part of the ABI")
#else
#define OUTRIDER_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), "layout is part of the ABI")
#endif
OUTRIDER_ASSERT_SIZE(struct outrider_slot, 8 * 8 + 14 * 8 + 4 * 8 + 1217 * 4 + 4);
OUTRIDER_ASSERT_SIZE(struct outrider_target, 3 * 64);
OUTRIDER_ASSERT_SIZE(struct outrider_target_cell, 7 * 8 + 11 * 8 + 10 * 8);
OUTRIDER_ASSERT_SIZE(struct outrider_type_key, 32);
OUTRIDER_ASSERT_SIZE(struct outrider_phase_key, 32);
OUTRIDER_ASSERT_SIZE(struct outrider_arg, 16);
OUTRIDER_ASSERT_SIZE(struct outrider_site, 40 + 7 * 16 + 8 + 2 * 4 + 16 + 8 + 2 * 8);
OUTRIDER_ASSERT_SIZE(struct outrider_process, 16);
OUTRIDER_ASSERT_SIZE(struct outrider_exe, 32);
OUTRIDER_ASSERT_SIZE(struct outrider_stack_key, 8 * 2 + 8 + 32 * 8 + 127 * 8);
OUTRIDER_ASSERT_SIZE(struct outrider_stack_counts, 8 * 8);
OUTRIDER_ASSERT_SIZE(struct outrider_slow_list, 16 + 4 * (4 * 8 + 14 * 8));
OUTRIDER_ASSERT_SIZE(struct outrider_in_flight, 4 * 8 + 14 * 8 + 4 * 8 + 32 * 8 + 512);

#endif
