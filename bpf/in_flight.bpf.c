/* Lists the queries of one target that are in flight on threads, when the agent asks: one record each. Those that may
 * change threads are in a hash that the agent reads itself. */
#include "lib/detached.h"

char LICENSE[] SEC("license") = "GPL";

/* Whose queries, and that they began before this moment. */
volatile __u32 listed_target = 0;
volatile __u64 listed_before_ns = 0;
/* Only when each began: eight bytes, by which the agent finds the oldest of many. */
volatile __u32 list_starts_only = 0;

/* A record does not fit into a program's own stack. One reader at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outrider_in_flight);
} listed SEC(".maps");

INLINE void note_registers(struct task_struct *task, struct outrider_in_flight *record)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

#if defined(__TARGET_ARCH_x86)
	record->ip = regs->ip;
	record->sp = regs->sp;
	record->fp = regs->bp;
#elif defined(__TARGET_ARCH_arm64)
	record->ip = regs->pc;
	record->sp = regs->sp;
	record->fp = regs->regs[29];
#endif
}

/* The waits of the outermost query until its thread came into its present state. */
INLINE void note_waits(const struct task_state *st, struct outrider_in_flight *record)
{
	const struct frame *f = &st->frames[0];

	for (int i = 0; i < OUTRIDER_WAIT_CLASSES; i++)
		record->wait_ns[i] = f->based && f->base[i] <= st->acc[i] ? st->acc[i] - f->base[i] : st->acc[i];
	record->since_ns = st->last_ns;
	record->state = st->state;
	record->wait_class = st->wait_class;
}

SEC("iter/task")
int list_in_flight(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct outrider_in_flight *record;
	struct outrider_target *t;
	struct task_state *st;
	u64 start_ns;
	u32 zero = 0;

	if (!task)
		return 0;
	st = bpf_task_storage_get(&tasks, task, 0, 0);
	if (!st || st->target != listed_target || !st->depth || task->flags & PF_EXITING)
		return 0;
	t = target_of(st->target);
	start_ns = st->frames[0].start_ns;
	if (!t || st->generation != t->generation || start_ns >= listed_before_ns)
		return 0;
	if (list_starts_only) {
		bpf_seq_write(ctx->meta->seq, &start_ns, sizeof(start_ns));
		return 0;
	}
	record = bpf_map_lookup_elem(&listed, &zero);
	if (!record)
		return 0;
	__builtin_memset(record->kernel, 0, sizeof(record->kernel));
	record->start_ns = start_ns;
	record->slot = st->frames[0].slot;
	record->process = task->tgid;
	record->thread = task->pid;
	record->switches = task->nvcsw + task->nivcsw;
	note_waits(st, record);
	note_registers(task, record);
	bpf_get_task_stack(task, record->kernel, sizeof(record->kernel), 0);
	__builtin_memcpy(record->text, st->text, sizeof(record->text));
	/* The thread goes on while it is looked at: what is of two queries is of none. */
	if (!*(volatile __u32 *)&st->depth || *(volatile __u64 *)&st->frames[0].start_ns != start_ns ||
	    st->generation != t->generation)
		return 0;
	bpf_seq_write(ctx->meta->seq, record, sizeof(*record));
	return 0;
}
