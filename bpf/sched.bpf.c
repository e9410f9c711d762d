/* Where a query's time goes when its thread is not running.
 *
 * switch-out: the time since the last change was on-CPU; the thread is now on the run queue (preempted, or still
 * runnable) or blocked, and why is told by, in this order: the word in which the engine notes its waits; an open wait
 * probe of the engine; no system call: a page fault; io_uring_enter (it sets iowait even for the network); iowait:
 * disk; the system call.
 * waking: blocked ends, run-queue begins.  switch-in: run-queue ends; as much of it as the queue was throttled meanwhile is
 * throttling. That is not known of a thread that was moved to another processor's queue.
 *
 * The two tracepoints race: a wake-up on another CPU can come before the switch-out hook has run. The class is written
 * before the state, the state changes by compare-and-swap, and a wake-up that finds the thread still on its CPU leaves
 * a mark, so that what follows counts as run-queue. */
#include "lib/args.h"
#include "lib/blocks.h"
#include "lib/syscalls.h"

char LICENSE[] SEC("license") = "GPL";

/* enum syscall_code by system call number; filled by the agent. */
const volatile __u8 syscall_codes[SYSCALL_TABLE] = {};
const volatile __s32 io_uring_enter_number = -2;

#define ANON_INODE_MAGIC 0x09041934

#if defined(__TARGET_ARCH_x86)
#define SYSCALL_NUMBER(regs) ((long)(regs)->orig_ax)
#define SYSCALL_ARG0(regs) ((regs)->di)
#define SYSCALL_ARG1(regs) ((regs)->si)
#elif defined(__TARGET_ARCH_arm64)
#define SYSCALL_NUMBER(regs) ((long)(regs)->syscallno)
#define SYSCALL_ARG0(regs) ((regs)->orig_x0)
#define SYSCALL_ARG1(regs) ((regs)->regs[1])
#endif

INLINE u32 descriptor_class(struct task_struct *task, u64 number)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file = 0;
	struct inode *inode;

	if (!table || number >= BPF_CORE_READ(table, max_fds))
		return OUTRIDER_WAIT_OTHER;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), &files[number]);
	inode = BPF_CORE_READ(file, f_inode);
	if (!inode)
		return OUTRIDER_WAIT_OTHER;
	if (BPF_CORE_READ(inode, i_sb, s_magic) == ANON_INODE_MAGIC)
		return OUTRIDER_WAIT_IPC; /* eventfd, timerfd, signalfd: one thread tells another */
	return inode_class(BPF_CORE_READ(inode, i_mode));
}

/* 1 + the class that the engine has noted itself; 0: it waits for nothing, or the note cannot be read. Called for the
 * thread that is leaving its CPU, whose memory is still mapped; a page that is not resident makes the read fail. */
INLINE u32 noted_wait(const struct task_state *st)
{
	const struct outrider_site *site = site_at(st->wait_site);
	u64 address = st->wait_word;
	u32 word = 0;

	if (!site)
		return 0;
	if (site->flags & OUTRIDER_SITE_WAIT_WORD_POINTER &&
	    bpf_probe_read_user(&address, sizeof(address), (void *)st->wait_word))
		return 0;
	if (bpf_probe_read_user(&word, sizeof(word), (void *)address))
		return 0;
	word = (word >> (site->wait_shift & 31)) & site->wait_mask;
	return word < OUTRIDER_WAIT_WORD_CLASSES ? site->wait_classes[word & (OUTRIDER_WAIT_WORD_CLASSES - 1)] : 0;
}

INLINE u32 classify_wait(struct task_struct *task, const struct task_state *st)
{
	struct pt_regs *regs;
	long number;
	u32 code;

	code = st->wait_word ? noted_wait(st) : 0;
	if (code)
		return code - 1;
	if (st->probe_wait)
		return st->probe_wait - 1;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	number = SYSCALL_NUMBER(regs);
	if (number == -1)
		return OUTRIDER_WAIT_PAGE_FAULT;
	if (number == io_uring_enter_number)
		return OUTRIDER_WAIT_IO_URING;
	if (BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait))
		return OUTRIDER_WAIT_DISK;
	if (number < 0 || number >= SYSCALL_TABLE)
		return OUTRIDER_WAIT_OTHER;
	code = syscall_codes[number & (SYSCALL_TABLE - 1)];
	switch (code) {
	case SYSCALL_FUTEX:
		return futex_class(SYSCALL_ARG1(regs));
	case SYSCALL_FCNTL:
		/* F_SETLKW, F_OFD_SETLKW */
		return SYSCALL_ARG1(regs) == 7 || SYSCALL_ARG1(regs) == 38 ? OUTRIDER_WAIT_LOCK
									     : OUTRIDER_WAIT_OTHER;
	case SYSCALL_FD:
		return descriptor_class(task, SYSCALL_ARG0(regs));
	default:
		return code < OUTRIDER_WAIT_CLASSES ? code : OUTRIDER_WAIT_OTHER;
	}
}

/* Of the queue that the task is in; without quotas in the kernel always 0. */
INLINE u64 throttled_ns(struct task_struct *task)
{
	struct cfs_rq *queue = task->se.cfs_rq;

	if (bpf_core_field_exists(queue->throttled_clock_self_time)) {
		u64 since = queue->throttled_clock_self, now = since ? queue->rq->clock : 0;

		return queue->throttled_clock_self_time + (now > since ? now - since : 0);
	}
	if (bpf_core_field_exists(queue->throttled_clock_pelt_time))
		return queue->throttled_clock_pelt_time;
	return 0;
}

/* From now on it waits for a CPU. */
INLINE void note_queue(struct task_state *st, struct task_struct *task)
{
	if (!bpf_core_field_exists(task->se.cfs_rq))
		return;
	st->queue = (u64)task->se.cfs_rq;
	st->throttled_ns = throttled_ns(task);
}

/* The part of a wait for a CPU in which there was no quota. */
INLINE void account_throttled(struct task_state *st, struct task_struct *task, u64 now)
{
	u64 wait = now - st->last_ns, throttled;

	if (!bpf_core_field_exists(task->se.cfs_rq) || !st->queue)
		return;
	throttled = throttled_ns(task);
	if (st->queue == (u64)task->se.cfs_rq && now > st->last_ns && throttled > st->throttled_ns) {
		throttled -= st->throttled_ns;
		account_wait(st, OUTRIDER_WAIT_THROTTLED, throttled < wait ? st->last_ns + throttled : now);
	}
}

INLINE void switch_out(struct task_state *st, struct task_struct *task, bool runnable, u64 now)
{
	account(st, OUTRIDER_WAIT_CPU, now);
	st->queue = 0;
	if (runnable) {
		note_queue(st, task);
		st->state = OUTRIDER_RUN_QUEUE;
		return;
	}
	st->wait_class = classify_wait(bpf_get_current_task_btf(), st);
	__sync_val_compare_and_swap(&st->state, OUTRIDER_ON_CPU, OUTRIDER_BLOCKED); /* a full barrier after the class */
}

INLINE void switch_in(struct task_state *st, struct task_struct *task, u64 now)
{
	u32 cls = OUTRIDER_WAIT_RUN_QUEUE;

	if (st->state == OUTRIDER_BLOCKED && !st->early_wake && st->wait_class < OUTRIDER_WAIT_CLASSES)
		cls = st->wait_class; /* its wake-up was not seen */
	else
		account_throttled(st, task, now);
	account_wait(st, cls, now);
	st->early_wake = 0;
	st->state = OUTRIDER_ON_CPU;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(handle_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct task_state *out = bpf_task_storage_get(&tasks, prev, 0, 0);
	struct task_state *in = bpf_task_storage_get(&tasks, next, 0, 0);
	u64 now;

	if (out && !is_active(out))
		out = 0;
	if (in && !is_active(in))
		in = 0;
	if (!out) {
		if (!in)
			return 0;
	}
	now = bpf_ktime_get_ns();
	if (out) {
		switch_out(out, prev, preempt || prev_state == 0, now);
		count_run(out->target, OUTRIDER_RUN_SCHED_SWITCH);
	}
	if (in)
		switch_in(in, next, now);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(handle_sched_waking, struct task_struct *p)
{
	struct task_state *st = bpf_task_storage_get(&tasks, p, 0, 0);
	u64 now;
	u32 cls;

	if (!st || !is_active(st))
		return 0;
	if (__sync_val_compare_and_swap(&st->state, OUTRIDER_BLOCKED, OUTRIDER_RUN_QUEUE) != OUTRIDER_BLOCKED) {
		if (st->state == OUTRIDER_ON_CPU)
			st->early_wake = 1;
		return 0;
	}
	cls = st->wait_class;
	now = bpf_ktime_get_ns();
	if (now > st->last_ns) {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

		note_block(st, p, now - st->last_ns, SYSCALL_NUMBER(regs) >= 0);
	}
	if (cls < OUTRIDER_WAIT_CLASSES)
		account_wait(st, cls, now);
	note_queue(st, p);
	count_run(st->target, OUTRIDER_RUN_SCHED_WAKING);
	return 0;
}
