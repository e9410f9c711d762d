/* How the sampler finds a frame's caller in code without frame pointers: what a file's .eh_frame says, made into a table
 * of rows by the agent. Shared by kernel and user space, as abi.h. x86-64 only. */
#ifndef OUTRIDER_ABI_UNWIND_H
#define OUTRIDER_ABI_UNWIND_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define OUTRIDER_UNWIND_ROWS (1u << 20) /* of all files together: 8 MiB */
#define OUTRIDER_UNWIND_MAPPINGS 64     /* of one process, one less in use; both are powers of two */
#define OUTRIDER_UNWIND_PROCESSES 1024

/* Where the frame above the return address begins. */
enum outrider_cfa {
	OUTRIDER_CFA_NONE = 0, /* not known: the stack is cut here */
	OUTRIDER_CFA_END,      /* nobody called this: the outermost frame */
	OUTRIDER_CFA_SP,       /* stack pointer + offset */
	OUTRIDER_CFA_FP,       /* frame pointer + offset */
	OUTRIDER_CFA_PLT,      /* stack pointer + 8, + 8 more in the last part of each 16 bytes of code */
};

/* Holds from `pc` to the next row's. */
struct outrider_unwind_row {
	__u32 pc;         /* address as linked */
	__s16 cfa_offset;
	__u8 cfa;         /* enum outrider_cfa */
	__s8 fp_offset;   /* eighths: the caller's frame pointer is at the CFA + 8 times this; 0: as it is */
};

struct outrider_unwind_mapping {
	__u64 begin, end;
	__u64 bias;       /* address - address as linked */
	__u32 first_row;
	__u32 rows;       /* 0: no table, by frame pointer */
};

/* The executable mappings of a process, by address. */
struct outrider_unwind_process {
	__u32 count;
	__u32 pad;
	struct outrider_unwind_mapping mappings[OUTRIDER_UNWIND_MAPPINGS];
};

#endif
