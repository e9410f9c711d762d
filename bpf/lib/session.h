/* The title of the process that a program runs in. */
#ifndef OUTRIDER_BPF_SESSION_H
#define OUTRIDER_BPF_SESSION_H

#include "common.h"
#include "session_title.h"

static long session_step(u32 i, struct session_scan **scan)
{
	return session_character(*scan, SESSION_SERVER + i);
}

/* Reads it into `s`, whose `clients` is 1 then if it says whose work the process does. Negative: it could not be read now. */
static __noinline int session_read(struct session_scan *s)
{
	struct session_scan *scan = s;
	const char *title = (const char *)BPF_CORE_READ(bpf_get_current_task_btf(), mm, arg_start);
	long n;

	if (!s)
		return -1;
	__builtin_memset(s, 0, sizeof(*s));
	n = bpf_probe_read_user_str(s->title, sizeof(s->title), title);
	if (n < 0)
		return -1;
	if (n == SESSION_TITLE || !session_is_server(s))
		return 0;
	session_begin_word(s, SESSION_SERVER);
	bpf_loop(SESSION_TITLE - SESSION_SERVER, session_step, &scan, 0);
	return 0;
}

#endif
