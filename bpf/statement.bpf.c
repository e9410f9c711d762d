/* Engines that tell a failure by silence (PostgreSQL): they announce the text of each command, leave a failed one by
 * longjmp, and announce no text when they have become idle. */
#include "lib/outermost.h"

char LICENSE[] SEC("license") = "GPL";

/* The engine says that this site means nothing now. */
INLINE bool is_void(void *ctx, const struct here *h)
{
	__u8 byte = 0;

	return h->site->unless &&
	       bpf_probe_read_user(&byte, sizeof(byte), (void *)(site_address(ctx) + h->site->unless)) == 0 && byte;
}

/* The name of the command that comes next, in capitals: it is its type as it stands. */
INLINE void note_name(struct here *h, const char *name)
{
	char *type = h->state->pending_type;

	__builtin_memset(type, 0, OUTRIDER_TYPE_NAME);
	if (bpf_probe_read_user_str(type, OUTRIDER_TYPE_NAME - 1, name) < 0) {
		type[0] = 0;
		count_loss(h->target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return;
	}
	for (int i = 0; i < OUTRIDER_TYPE_NAME - 1; i++) {
		if (type[i] && (type[i] < '!' || type[i] > '~')) { /* no name at all: another version's structures */
			__builtin_memset(type, 0, OUTRIDER_TYPE_NAME);
			count_loss(h->target_index, OUTRIDER_LOSS_ARGUMENT, 1);
			return;
		}
		if (type[i] >= 'a' && type[i] <= 'z')
			type[i] -= 'a' - 'A';
	}
}

/* The engine announces the text of a command, or, with none (NULL), that it has become idle. A command of which nothing
 * ended in between has failed: such engines leave by longjmp. A text without a command in it is not followed, and one that
 * was announced before all probes were there may have ended unseen: nothing is said of it. */
SEC("uprobe.multi")
int handle_statement(void *ctx)
{
	char type[OUTRIDER_TYPE_NAME] = {};
	struct here h;
	u64 text = 0;
	int known;

	if (!locate(ctx, &h, OUTRIDER_RUN_STATEMENT, true) || !has_state(&h))
		return 0;
	if (!read_arg(ctx, h.site, 0, &text)) {
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
		return 0;
	}
	if (h.site->flags & OUTRIDER_SITE_TEXT_IS_NAME) {
		note_name(&h, (const char *)text);
		return 0;
	}
	if (h.state->depth && h.state->frames[0].done)
		end_outermost(&h, false);
	known = text_type(h.target, h.target_index, (const char *)text, 0, type);
	if (known < 0)
		count_loss(h.target_index, OUTRIDER_LOSS_ARGUMENT, 1);
	if (text) {
		if (known <= 0)
			h.state->pending_text = 0;
		if (known < 0 && !h.state->depth) {
			h.state->pending_type[0] = 0; /* those of an earlier command are not its own */
			h.state->text[0] = 0;
		}
		if (known <= 0 || h.state->depth || is_void(ctx, &h))
			return 0;
		if (h.state->pending_ns <= h.target->counts_from_ns)
			h.state->pending_ns = bpf_ktime_get_ns();
		__builtin_memcpy(h.state->pending_type, type, sizeof(type));
		h.state->pending_text = text;
		note_text(h.state, h.target, (const char *)text);
		return 0;
	}
	h.state->pending_text = 0;
	if (h.state->pending_ns)
		h.state->text[0] = 0; /* it could not be parsed: in such a text nobody can tell data from the rest */
	if (h.state->depth) {
		end_outermost(&h, true);
	} else if (h.state->pending_ns > h.target->counts_from_ns) {
		struct outrider_type_key key = {};
		u64 parts[OUTRIDER_WAIT_CLASSES] = {};
		struct slow_candidate slow = {.target = h.target_index, .start_ns = h.state->pending_ns, .failed = true};
		u64 duration;
		u32 slot;

		key.target = h.target_index;
		__builtin_memcpy(key.name, h.state->pending_type, sizeof(key.name));
		slot = slot_for_text(&key, h.target);
		duration = bpf_ktime_get_ns() - h.state->pending_ns;
		count_waits(slot, parts, duration);
		count_query(slot, duration, true, 0, 0);
		slow.slot = slot;
		slow.duration = duration;
		note_slow(&slow);
	}
	h.state->pending_ns = 0;
	return 0;
}

SEC("uprobe.multi")
int handle_statement_ok(void *ctx)
{
	struct here h;

	if (locate(ctx, &h, OUTRIDER_RUN_STATEMENT, false) && h.state)
		h.state->pending_ns = 0;
	return 0;
}
