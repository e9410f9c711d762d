/* Single queries, as opposed to what is summed: the slowest that ended, and those in flight. Shared by kernel and user
 * space, included by abi.h. */
#ifndef OUTRIDER_ABI_QUERIES_H
#define OUTRIDER_ABI_QUERIES_H

#define OUTRIDER_SLOW_QUERIES 4 /* kept of a slot and interval; a power of two */
#define OUTRIDER_SLOW_BANKS 2   /* one is written while the agent reads the other */
#define OUTRIDER_QUERY_TEXT 512 /* bytes of a query's text, the last one zero */

/* A query that ended. */
struct outrider_slow_query {
	__u64 start_ns;
	__u64 duration_ns; /* 0: there is none */
	__u32 process, thread; /* that it ended on */
	__u8 failed;
	__u8 timed;    /* wait_ns[] was followed */
	__u8 has_text; /* in slow_texts */
	__u8 pad[5];
	__u64 wait_ns[OUTRIDER_WAIT_CLASSES];
};

/* The slowest of one slot in one interval, in no order. */
struct outrider_slow_list {
	__u64 bar_ns; /* what takes no longer is none of them; 0: there is room */
	__u32 busy;   /* somebody changes the list, or copies it */
	__u32 pad;
	struct outrider_slow_query queries[OUTRIDER_SLOW_QUERIES];
};

/* Key of slow_texts. */
#define OUTRIDER_SLOW_TEXT(list, i) ((list) * OUTRIDER_SLOW_QUERIES + (i))

#define OUTRIDER_MAX_BLOCKS 4096
#define OUTRIDER_NO_SLOT 0xffffffffu

/* Whose query ended whose waits: for a lock, a condition or another process. */
struct outrider_block_key {
	__u32 waiter;     /* slot of the outermost query */
	__u32 waker;      /* the same of the thread that woke it; OUTRIDER_NO_SLOT: none of the target's queries */
	__u32 wait_class;
};

struct outrider_block {
	__u64 count;
	__u64 ns;
};

enum outrider_run_state { OUTRIDER_ON_CPU = 0, OUTRIDER_RUN_QUEUE, OUTRIDER_BLOCKED };

/* A query that has not ended, as one look finds its thread. */
struct outrider_in_flight {
	__u64 start_ns;
	__u64 since_ns; /* that the thread is in this state */
	__u32 process, thread;
	__u32 slot;
	__u8 state;      /* enum outrider_run_state */
	__u8 wait_class; /* of OUTRIDER_BLOCKED */
	__u8 pad[2];
	__u64 wait_ns[OUTRIDER_WAIT_CLASSES]; /* until since_ns */
	__u64 ip, sp, fp; /* user registers where it entered the kernel */
	__u64 switches;   /* how often the thread has left its CPU: with the same later, and not running, it is the same wait */
	__u64 kernel[OUTRIDER_KERNEL_FRAMES];
	char text[OUTRIDER_QUERY_TEXT];
};

#endif
