/* What queries do and where they wait, by stack: loaded and attached only while somebody asks for it. It shares the
 * probes' maps, so it knows which threads are in a query.
 *
 * on-CPU   a timer on every CPU: the stack of the thread that it interrupts, if that thread is in a query.
 * off-CPU  when a thread in a query leaves its CPU to wait, its stack is noted (later, another process's memory would be
 *          mapped); when it is woken the wait is added to that stack, if it took long enough to matter. Time on the run
 *          queue is no wait, as in sched.bpf.c, which also says what kind of wait it was. */
#include "lib/unwind.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u64 shortest_wait_ns = 1000000;
const volatile __u32 kernel_frames = 1; /* a _Bool would be no type of the C++ that reads the skeleton */
/* The targets that are asked for, a bit each. */
volatile __u64 sampled_targets = 0;

INLINE bool is_asked_for(const struct task_state *st)
{
	return st->target < OUTRIDER_MAX_TARGETS && sampled_targets >> st->target & 1;
}

INLINE bool is_sampled(const struct task_state *st)
{
	struct outrider_target *t;

	if (!is_active(st) || !is_asked_for(st))
		return false;
	t = target_of(st->target);
	return t && t->mode == OUTRIDER_MODE_FULL && t->generation == st->generation;
}

SEC("perf_event")
int handle_timer(void *ctx)
{
	struct task_state *st = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct outrider_stack_counts *counts;
	struct outrider_blocked *buffer;

	if (!st || !is_sampled(st))
		return 0;
	counts = counts_of(st->target);
	buffer = scratch_of(SCRATCH_TIMER);
	if (!counts)
		return 0;
	if (!buffer)
		return 0;
	add64(&counts->samples, 1);
	take_stack(ctx, ctx, st, kernel_frames, SCRATCH_TIMER, &buffer->key);
	buffer->key.wait_class = OUTRIDER_WAIT_CPU;
	count_stack(&buffer->key, 0);
	return 0;
}

INLINE void begin_wait(void *ctx, struct task_struct *task, const struct task_state *st)
{
	struct outrider_blocked *buffer = scratch_of(SCRATCH_SCHED);
	u32 thread = task->pid;

	if (!buffer)
		return;
	take_stack(ctx, 0, st, kernel_frames, SCRATCH_SCHED, &buffer->key);
	/* Its hook may come after this one; the wait's end will tell, if that comes while we look. */
	buffer->key.wait_class = st->state == OUTRIDER_BLOCKED ? st->wait_class : OUTRIDER_WAIT_OTHER;
	buffer->since_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&blocked, &thread, buffer, BPF_ANY))
		count_stack_loss(st->target, OUTRIDER_STACK_LOSS_BLOCKED_FULL);
}

INLINE void end_wait(struct task_struct *task, const struct task_state *st)
{
	struct outrider_stack_counts *counts = counts_of(st->target);
	struct outrider_blocked *wait;
	u32 thread = task->pid;
	u64 ns;

	wait = bpf_map_lookup_elem(&blocked, &thread);
	if (!wait)
		return;
	if (!counts)
		return;
	ns = bpf_ktime_get_ns() - wait->since_ns;
	add64(&counts->waits, 1);
	if (ns < shortest_wait_ns) {
		add64(&counts->short_waits, 1);
		add64(&counts->short_ns, ns);
	} else {
		wait->key.wait_class = st->wait_class;
		wait->key.round = stack_round;
		count_stack(&wait->key, ns);
	}
	bpf_map_delete_elem(&blocked, &thread);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(handle_block, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	struct task_state *out = bpf_task_storage_get(&tasks, prev, 0, 0);
	struct task_state *in = bpf_task_storage_get(&tasks, next, 0, 0);

	if (in && is_sampled(in))
		end_wait(next, in); /* its wake-up was not seen */
	if (out && !preempt && prev_state != 0 && is_sampled(out))
		begin_wait(ctx, prev, out);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(handle_wake, struct task_struct *p)
{
	struct task_state *st = bpf_task_storage_get(&tasks, p, 0, 0);

	u32 thread = p->pid;

	if (!st || !is_asked_for(st))
		return 0;
	if (is_sampled(st))
		end_wait(p, st);
	else
		bpf_map_delete_elem(&blocked, &thread); /* the probes changed meanwhile, its query is dropped */
	return 0;
}

/* A fork's memory is its parent's. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(handle_sampled_fork, struct task_struct *parent, struct task_struct *child)
{
	struct outrider_unwind_process *process;
	u32 from = parent->tgid, to = child->tgid;

	if (from == to)
		return 0;
	process = bpf_map_lookup_elem(&unwind_processes, &from);
	if (process)
		bpf_map_update_elem(&unwind_processes, &to, process, BPF_ANY);
	return 0;
}

/* Another program: what is known of its memory is wrong from now on. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(handle_sampled_exec, struct task_struct *p, int old_pid, struct linux_binprm *bprm)
{
	u32 process = p->tgid;

	bpf_map_delete_elem(&unwind_processes, &process);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(handle_sampled_exit, struct task_struct *p)
{
	u32 process = p->tgid;

	if (p->signal->live.counter <= 0)
		bpf_map_delete_elem(&unwind_processes, &process);
	return 0;
}
