/* The classes into which a query's wall time is split, shared by kernel and user space.
 * Order is part of the ABI between the two and of what the history has stored: new ones come last; names are the JSON names of `waits.<name>_seconds`. */
#ifndef OUTRIDER_ABI_WAIT_CLASS_H
#define OUTRIDER_ABI_WAIT_CLASS_H

enum outrider_wait_class {
	OUTRIDER_WAIT_CPU = 0,
	OUTRIDER_WAIT_RUN_QUEUE,
	OUTRIDER_WAIT_DISK,
	OUTRIDER_WAIT_PAGE_FAULT,
	OUTRIDER_WAIT_LOCK,
	OUTRIDER_WAIT_SYNC,
	OUTRIDER_WAIT_NETWORK,
	OUTRIDER_WAIT_POLL,
	OUTRIDER_WAIT_SLEEP,
	OUTRIDER_WAIT_IPC,
	OUTRIDER_WAIT_IO_URING,
	OUTRIDER_WAIT_OTHER,
	OUTRIDER_WAIT_UNATTRIBUTED,
	OUTRIDER_WAIT_THROTTLED, /* ready to run, but its control group had used up its quota */
	OUTRIDER_WAIT_CLASSES
};

#define OUTRIDER_WAIT_NAMES                                                                        \
	{"cpu",     "run_queue", "disk",  "page_fault", "lock",     "sync",  "network",            \
	 "poll",    "sleep",     "ipc",   "io_uring",   "other",    "unattributed", \
	 "throttled"}

#endif
