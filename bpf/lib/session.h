/* Whose queries a process runs, by its title, as PostgreSQL's processes have one from their client's connection on:
 * "postgres: [cluster: ]user database client(port) what it does". The names may have blanks in them: what can be read in two
 * ways is nobody's. userspace/target/session_title.cpp reads whole titles by the same rules. */
#ifndef OUTRIDER_BPF_SESSION_H
#define OUTRIDER_BPF_SESSION_H

#include "../abi/statement.h"
#include "common.h"
#include "sql_symbols.h"

#define SESSION_TITLE 256 /* bytes, a power of two: two names, a cluster's and an address are less */
#define SESSION_SERVER 10 /* of "postgres: " */
#define SESSION_LOCAL 7   /* of "[local]", which is this */
#define SESSION_LOCAL_TEXT 0x5d6c61636f6c5bULL

enum session_port { PORT_NONE = 0, PORT_OPEN, PORT_DIGITS, PORT_CLOSED };

struct session_word {
	u32 at, end;
	u64 hash;
};

struct session_scan {
	struct session_word user, database; /* the last two words before the present one */
	struct session_word word;
	u32 words;  /* before the present one */
	u32 named;  /* the word before `user` ends with a colon: it is the cluster's name */
	u32 local;  /* characters of "[local]" that the present word begins with */
	u32 port;   /* enum session_port */
	u32 client; /* those that were met; one: `user` and `database` are its own */
	char title[SESSION_TITLE];
};

INLINE u8 title_byte(const struct session_scan *s, u32 at)
{
	return s->title[at & (SESSION_TITLE - 1)];
}

INLINE void session_letter(struct session_scan *s, u8 c, u32 at)
{
	u32 length = at - s->word.at;

	s->word.hash = sql_hash(s->word.hash, c);
	if (s->local == length && length < SESSION_LOCAL && c == (SESSION_LOCAL_TEXT >> 8 * length & 0xff))
		s->local++;
	if (c == '(' && length)
		s->port = PORT_OPEN;
	else if (c >= '0' && c <= '9' && (s->port == PORT_OPEN || s->port == PORT_DIGITS))
		s->port = PORT_DIGITS;
	else
		s->port = c == ')' && s->port == PORT_DIGITS ? PORT_CLOSED : PORT_NONE;
}

INLINE bool is_client(const struct session_scan *s)
{
	return s->port == PORT_CLOSED || (s->local == SESSION_LOCAL && s->word.end - s->word.at == SESSION_LOCAL);
}

/* Returns 1 where nothing behind can change the answer. */
static long session_step(u32 i, struct session_scan **scan)
{
	struct session_scan *s = *scan;
	u32 at = SESSION_SERVER + i;
	u8 c = title_byte(s, at);

	if (c && c != ' ') {
		session_letter(s, c, at);
		return 0;
	}
	s->word.end = at;
	if (is_client(s)) {
		s->client++;
		if (s->client > 1 || s->words < 2 || (s->words > 2 && !s->named)) {
			s->client = 0;
			return 1;
		}
	} else if (!s->client) {
		s->named = s->words >= 2 && title_byte(s, s->user.end - 1) == ':';
		s->user = s->database;
		s->database = s->word;
		s->words++;
	}
	s->word.at = at + 1;
	s->word.hash = SQL_SEED;
	s->local = 0;
	s->port = PORT_NONE;
	return !c;
}

/* Reads the present process's title into `s`, whose client is 1 then if it says whose it is. */
static __noinline int session_read(struct session_scan *s)
{
	struct session_scan *scan = s;
	const char *title = (const char *)BPF_CORE_READ(bpf_get_current_task_btf(), mm, arg_start);

	if (!s)
		return 0;
	__builtin_memset(s, 0, sizeof(*s));
	if (bpf_probe_read_user_str(s->title, sizeof(s->title), title) <= SESSION_SERVER)
		return 0;
	if (*(u64 *)s->title != 0x7365726774736f70 || s->title[8] != ':' || s->title[9] != ' ') /* "postgres" */
		return 0;
	s->word.at = SESSION_SERVER;
	s->word.hash = SQL_SEED;
	bpf_loop(SESSION_TITLE - SESSION_SERVER, session_step, &scan, 0);
	if (s->user.end <= s->user.at || s->database.end <= s->database.at)
		s->client = 0;
	return 0;
}

#endif
