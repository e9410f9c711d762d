/* The few kernel types that the programs read, with just the fields they read. Offsets are relocated at load
 * time against the running kernel's BTF (CO-RE), so that building needs no BTF of the build host. */
#ifndef OUTRIDER_KERNEL_TYPES_H
#define OUTRIDER_KERNEL_TYPES_H

#include <linux/types.h>
#include <stdbool.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

/* Registers at a probe site and at a system call's entry. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
	__u64 orig_x0;
	__s32 syscallno;
};
#endif

typedef struct {
	int counter;
} atomic_t;

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	struct file *exe_file;
	unsigned long arg_start;
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
};

struct rq {
	u64 clock;
};

/* For how long no task of the queue could run for want of quota, without the throttling that goes on; and since when, by the processor's
 * clock, that one does (0: none does). Before Linux 6.6 there is the last one alone, on a clock that stands still while the processor is
 * idle and slows down with it. */
struct cfs_rq {
	struct rq *rq;
	u64 throttled_clock_self_time;
	u64 throttled_clock_self;
	u64 throttled_clock_pelt_time;
};

struct sched_entity {
	u64 sum_exec_runtime;
	struct cfs_rq *cfs_rq; /* the queue that it is in when it is ready to run */
};

struct task_struct {
	unsigned int flags;
	struct sched_entity se;
	unsigned int in_iowait : 1;
	int pid;
	int tgid;
	unsigned long min_flt;
	unsigned long maj_flt;
	unsigned long nvcsw;
	unsigned long nivcsw;
	u64 start_time;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct files_struct *files;
	struct signal_struct *signal;
};

struct linux_binprm;
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#define PF_EXITING 0x00000004

#endif
