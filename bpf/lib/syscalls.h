/* Class of a wait, from the system call in which the thread sleeps. The table is filled by the agent from the build's
 * own <sys/syscall.h>, so that the programs know no call's number; codes from SYSCALL_FUTEX on need a closer look. */
#ifndef OUTRIDER_BPF_SYSCALLS_H
#define OUTRIDER_BPF_SYSCALLS_H

#include "../abi/wait_class.h"

#define SYSCALL_TABLE 512

enum syscall_code {
	/* below OUTRIDER_WAIT_CLASSES: the class itself */
	SYSCALL_FUTEX = 64, /* by its operation */
	SYSCALL_FD,         /* by what the descriptor is */
	SYSCALL_FCNTL,      /* a lock for the waiting commands */
};

/* Futex operations without FUTEX_PRIVATE_FLAG (128) and FUTEX_CLOCK_REALTIME (256). Mutexes of glibc wait with WAIT (0)
 * or a LOCK_PI, and so do barriers and what libstdc++ makes of atomics; condition variables, semaphores, read-write locks,
 * joins and all that Rust has with WAIT_BITSET. The kernel cannot tell more. */
static inline unsigned int futex_class(unsigned int op)
{
	switch (op & 127) {
	case 0:  /* FUTEX_WAIT */
	case 6:  /* FUTEX_LOCK_PI */
	case 13: /* FUTEX_LOCK_PI2 */
		return OUTRIDER_WAIT_LOCK;
	default:
		return OUTRIDER_WAIT_SYNC;
	}
}

/* By an inode's type bits. Anonymous inodes (eventfd, timerfd, ...) have no type, or a regular file's: they are told
 * apart by their file system before this. */
static inline unsigned int inode_class(unsigned short mode)
{
	switch (mode & 0170000) {
	case 0140000: /* socket */
		return OUTRIDER_WAIT_NETWORK;
	case 0010000: /* pipe */
		return OUTRIDER_WAIT_IPC;
	case 0100000: /* regular file */
	case 0060000: /* block device */
	case 0040000: /* directory */
		return OUTRIDER_WAIT_DISK;
	default:
		return OUTRIDER_WAIT_OTHER;
	}
}

#endif
