/* Whose queries a process runs, by its title, as PostgreSQL's processes have one from their client's connection on:
 * "postgres: [cluster: ]user database client(port) what it does" (ps_status.c, postmaster.c). The names may have blanks in
 * them: what can be read in two ways is nobody's. One source, for the programs in the kernel and for user space. */
#ifndef OUTRIDER_BPF_SESSION_TITLE_H
#define OUTRIDER_BPF_SESSION_TITLE_H

#include <linux/types.h>

#include "sql_symbols.h"

#define SESSION_TITLE 256 /* bytes, a power of two; of one that fills them the end is not known: it is nobody's */
#define SESSION_SERVER 10 /* of "postgres: " */
#define SESSION_LOCAL 7   /* of "[local]", which is this */
#define SESSION_LOCAL_TEXT 0x5d6c61636f6c5bULL
#define SESSION_WALSENDER 0x5e1175b1e3e6ffeeULL /* sql_hash() of its letters: no user, but what the process is */

enum session_port { PORT_NONE = 0, PORT_OPEN, PORT_DIGITS, PORT_CLOSED };

struct session_word {
	__u32 at, end;
	__u64 hash;
};

struct session_scan {
	struct session_word user, database; /* the last two words before the present one */
	struct session_word word, client;
	__u32 words;   /* before the present one */
	__u32 named;   /* the word before `user` ends with a colon: it is the cluster's name */
	__u32 local;   /* characters of "[local]" that the present word begins with */
	__u32 port;    /* enum session_port */
	__u32 clients; /* those that were met; one: `user` and `database` are its own */
	__u32 pad;
	char title[SESSION_TITLE];
};

static inline __u8 session_byte(const struct session_scan *s, __u32 at)
{
	return s->title[at & (SESSION_TITLE - 1)];
}

static inline int session_is_server(const struct session_scan *s)
{
	static const __u64 postgres = 0x7365726774736f70ULL;

	for (__u32 i = 0; i < 8; i++) {
		if (session_byte(s, i) != (postgres >> 8 * i & 0xff))
			return 0;
	}
	return s->title[8] == ':' && s->title[9] == ' ';
}

static inline void session_begin_word(struct session_scan *s, __u32 at)
{
	s->word.at = at;
	s->word.hash = SQL_SEED;
	s->local = 0;
	s->port = PORT_NONE;
}

static inline void session_letter(struct session_scan *s, __u8 c, __u32 at)
{
	__u32 length = at - s->word.at;

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

/* "[local]", or an address or a host's name with a port. */
static inline int session_is_client(const struct session_scan *s)
{
	return s->port == PORT_CLOSED || (s->local == SESSION_LOCAL && s->word.end - s->word.at == SESSION_LOCAL);
}

/* The first client has two words before it, or three of which the first one is the cluster's. */
static inline int session_is_whole(const struct session_scan *s)
{
	return (s->words == 2 || (s->words == 3 && s->named)) && s->user.end > s->user.at && s->database.end > s->database.at &&
	       s->user.hash != SESSION_WALSENDER;
}

/* The character `at`, from SESSION_SERVER on; a zero is the end. Returns 1 where nothing behind can change the answer. */
static inline int session_character(struct session_scan *s, __u32 at)
{
	__u8 c = session_byte(s, at);

	if (c && c != ' ') {
		session_letter(s, c, at);
		return 0;
	}
	s->word.end = at;
	if (session_is_client(s)) {
		s->client = s->word;
		s->clients++;
		if (s->clients > 1 || !session_is_whole(s)) {
			s->clients = 0;
			return 1;
		}
	} else if (!s->clients) {
		s->named = s->words == 2 && session_byte(s, s->user.end - 1) == ':';
		s->user = s->database;
		s->database = s->word;
		s->words++;
	}
	session_begin_word(s, at + 1);
	return !c;
}

#endif
