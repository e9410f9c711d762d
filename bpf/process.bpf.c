/* Keeps `processes` true between two looks of the agent: a fork joins its parent's target, an exec of the target's own
 * binary stays in it (or joins it), any other exec and the last thread's exit leave it. A thread that exits with
 * queries open has abandoned them. The task iterator sums CPU time and page faults over a target's live threads once
 * an interval (gone threads are summed at their exit) and finds the oldest query in flight. */
#include "lib/detached.h"
#include "lib/outermost.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sched_process_fork")
int BPF_PROG(handle_fork, struct task_struct *parent, struct task_struct *child)
{
	struct outrider_process *process, copy;
	struct outrider_target_cell *cell;
	u32 tgid = child->tgid;

	if (child->tgid == parent->tgid)
		return 0; /* a thread */
	process = living_process(parent->tgid);
	if (!process)
		return 0;
	copy = *process;
	if (bpf_map_update_elem(&processes, &tgid, &copy, BPF_ANY))
		count_loss(copy.target, OUTRIDER_LOSS_TARGETS_FULL, 1);
	/* The agent took the parent out meanwhile, and may already have looked for what it left. */
	process = living_process(parent->tgid);
	if (!process || process->target != copy.target) {
		bpf_map_delete_elem(&processes, &tgid);
		return 0;
	}
	cell = cell_of(copy.target);
	if (cell)
		add64(&cell->forks, 1);
	return 0;
}

INLINE void close_queries(struct task_struct *p, struct task_state *st)
{
	struct outrider_target *t = target_of(st->target);

	if (!t || st->generation != t->generation)
		return;
	leave_current(st, p->tgid, bpf_ktime_get_ns());
	if (st->depth && st->frames[0].done) {
		struct here h = {.target = t, .state = st, .target_index = st->target};

		end_outermost(&h, false);
	}
	abandon_to(st, t, 0);
	st->pending_ns = 0;
}

INLINE void leave_target(u32 tgid, u32 target)
{
	struct outrider_target *t = target_of(target);

	if (t)
		drop_detached_of(tgid, t);
	bpf_map_delete_elem(&processes, &tgid);
}

/* Of the current process, which the kernel has named after the file that it runs, as it was called. */
INLINE bool is_called(const char *name)
{
	const u64 *wanted = (const u64 *)name;
	u64 comm[2] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	return comm[0] == wanted[0] && comm[1] == wanted[1];
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(handle_exec, struct task_struct *p, int old_pid, struct linux_binprm *bprm)
{
	struct task_state *st = bpf_task_storage_get(&tasks, p, 0, 0);
	struct inode *inode = BPF_CORE_READ(p, mm, exe_file, f_inode);
	struct outrider_process *process, joined = {};
	struct outrider_exe_key key = {};
	struct outrider_target_cell *cell;
	struct outrider_target *t;
	struct outrider_exe *exe;
	u32 tgid = p->tgid, stranger_to = OUTRIDER_MAX_TARGETS;

	if (st) {
		close_queries(p, st);
		bpf_task_storage_delete(&tasks, p);
	}
	key.inode = BPF_CORE_READ(inode, i_ino);
	key.device = BPF_CORE_READ(inode, i_sb, s_dev);
	process = living_process(tgid);
	exe = bpf_map_lookup_elem(&exes, &key);
	if (exe && exe->comm[0] && !is_called(exe->comm)) {
		stranger_to = exe->target;
		exe = 0;
	}
	if (process) {
		u32 was = process->target;

		cell = cell_of(was);
		if (cell)
			add64(&cell->execs, 1);
		t = target_of(was);
		if (was != stranger_to && t && t->exe_inode == key.inode && t->exe_device == key.device) {
			drop_detached_of(tgid, t);
			return 0;
		}
		/* What it used as a part of the target stays the target's. */
		if (cell && (!exe || exe->target != was)) {
			add64(&cell->exited_cpu_ns, p->se.sum_exec_runtime);
			add64(&cell->exited_faults, p->min_flt + p->maj_flt);
		}
		leave_target(tgid, was);
	}
	if (!exe)
		return 0;
	joined.target = exe->target;
	joined.files = exe->files;
	if (bpf_map_update_elem(&processes, &tgid, &joined, BPF_ANY))
		count_loss(joined.target, OUTRIDER_LOSS_TARGETS_FULL, 1);
	exe = bpf_map_lookup_elem(&exes, &key);
	if (!exe || exe->target != joined.target) /* as at a fork */
		bpf_map_delete_elem(&processes, &tgid);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(handle_exit, struct task_struct *p)
{
	struct task_state *st = bpf_task_storage_get(&tasks, p, 0, 0);
	struct outrider_target_cell *cell;
	struct outrider_process *process;
	struct outrider_target *t;

	if (st)
		close_queries(p, st);
	process = process_of(p->tgid);
	if (!process)
		return 0;
	cell = cell_of(process->target);
	if (cell) {
		add64(&cell->exited_cpu_ns, p->se.sum_exec_runtime);
		add64(&cell->exited_faults, p->min_flt + p->maj_flt);
	}
	if (p->signal->live.counter > 0)
		return 0;
	if (p->signal->nr_threads <= 1) {
		leave_target(p->tgid, process->target);
		return 0;
	}
	/* Threads that exit together all see that they are the last; what each has used still belongs to the target. */
	t = target_of(process->target);
	if (t && !process->ended)
		drop_detached_of(p->tgid, t);
	process->ended = 1;
	return 0;
}

static long detached_oldest(void *map, struct outrider_detached_key *key, struct outrider_detached_query *q, void *unused)
{
	struct outrider_target *t = target_of(q->target);

	if (!t || q->generation != t->generation) { /* dropped when the probes changed; nothing will look for it */
		bpf_map_delete_elem(map, key);
		return 0;
	}
	if (!t->oldest_start_ns || q->start_ns < t->oldest_start_ns)
		t->oldest_start_ns = q->start_ns;
	return 0;
}

INLINE void scan_in_flight(struct task_struct *task, u32 target, struct outrider_target *t)
{
	struct task_state *st = bpf_task_storage_get(&tasks, task, 0, 0);

	if (!st || st->target != target || st->generation != t->generation || !st->depth)
		return;
	t->live_in_flight++;
	if (!t->oldest_start_ns || st->frames[0].start_ns < t->oldest_start_ns)
		t->oldest_start_ns = st->frames[0].start_ns;
}

SEC("iter/task")
int scan_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct outrider_process *process;
	struct outrider_target *t;

	if (!task) {
		bpf_for_each_map_elem(&detached, detached_oldest, 0, 0);
		return 0;
	}
	process = living_process(task->tgid);
	if (!process || task->flags & PF_EXITING)
		return 0;
	t = target_of(process->target);
	if (!t)
		return 0;
	t->live_threads++;
	t->live_cpu_ns += task->se.sum_exec_runtime;
	t->live_faults += task->min_flt + task->maj_flt;
	scan_in_flight(task, process->target, t);
	return 0;
}
