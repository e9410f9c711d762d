/* Names in quotes, for the machine of sql_normal.h; and whether they are names at all. */
#ifndef OUTRIDER_BPF_SQL_QUOTED_H
#define OUTRIDER_BPF_SQL_QUOTED_H

#include "sql_symbols.h"

#define SQL_INTO SQL_4('i', 'n', 't', 'o')
#define SQL_INSERT (SQL_4(0, 0, 'i', 'n') << 32 | SQL_4('s', 'e', 'r', 't'))
#define SQL_REPLACE (SQL_4(0, 'r', 'e', 'p') << 32 | SQL_4('l', 'a', 'c', 'e'))
#define SQL_IGNORE (SQL_4(0, 0, 'i', 'g') << 32 | SQL_4('n', 'o', 'r', 'e'))
#define SQL_ROLLBACK (SQL_4('r', 'o', 'l', 'l') << 32 | SQL_4('b', 'a', 'c', 'k'))
#define SQL_ABORT (SQL_4(0, 0, 0, 'a') << 32 | SQL_4('b', 'o', 'r', 't'))
#define SQL_FAIL SQL_4('f', 'a', 'i', 'l')

/* The whole text so far is INSERT [OR ...] INTO or REPLACE INTO: behind VACUUM ... INTO is a text. */
static inline int sql_inserts_into(const struct sql_normal *s)
{
	const __u64 insert = sql_hash_word(SQL_SEED, SQL_INSERT), or = sql_hash_word(insert, SQL_2('o', 'r'));

	return s->hash == sql_hash_word(insert, SQL_INTO) ||
	       s->hash == sql_hash_word(sql_hash_word(SQL_SEED, SQL_REPLACE), SQL_INTO) ||
	       s->hash == sql_hash_word(sql_hash_word(or, SQL_IGNORE), SQL_INTO) ||
	       s->hash == sql_hash_word(sql_hash_word(or, SQL_REPLACE), SQL_INTO) ||
	       s->hash == sql_hash_word(sql_hash_word(or, SQL_ROLLBACK), SQL_INTO) ||
	       s->hash == sql_hash_word(sql_hash_word(or, SQL_ABORT), SQL_INTO) ||
	       s->hash == sql_hash_word(sql_hash_word(or, SQL_FAIL), SQL_INTO);
}

/* What only a name follows: certainly so, for nothing else may be taken for one. */
static inline int sql_expects_name(const struct sql_normal *s)
{
	__u64 before = s->word >> 40;

	switch (sql_last_word(s)) {
	case SQL_4('f', 'r', 'o', 'm'): /* not IS DISTINCT FROM, nor behind a byte order mark, which SQLite takes for a blank */
		return before != SQL_4(0, 'n', 'c', 't') && !(before & 0x80);
	case SQL_INTO: return sql_inserts_into(s);
	case SQL_2('a', 's'):
	case SQL_2('t', 'o'):
	case SQL_4(0, 's', 'e', 't'):
	case SQL_4('j', 'o', 'i', 'n'):
	case SQL_4('v', 'i', 'e', 'w'):
	case SQL_4('w', 'i', 't', 'h'):
	case SQL_4(0, 0, 0, 't') << 32 | SQL_4('a', 'b', 'l', 'e'):
	case SQL_4(0, 0, 0, 'i') << 32 | SQL_4('n', 'd', 'e', 'x'):
	case SQL_4(0, 0, 'u', 'p') << 32 | SQL_4('d', 'a', 't', 'e'):
	case SQL_4(0, 0, 'c', 'o') << 32 | SQL_4('l', 'u', 'm', 'n'):
	case SQL_4(0, 0, 'e', 'x') << 32 | SQL_4('i', 's', 't', 's'):
	case SQL_4(0, 't', 'r', 'i') << 32 | SQL_4('g', 'g', 'e', 'r'):
		return 1;
	}
	return 0;
}

/* SQLite takes "foo" for a text where no column is called so, behind what is `behind`. */
static inline int sql_may_be_text(const struct sql_normal *s, __u32 behind)
{
	if (behind == SQL_S_START)
		return (s->word & 0xff) != '.';
	return behind != SQL_S_NAME || !sql_expects_name(s);
}

static inline void sql_begin_quoted(struct sql_normal *s, __u32 behind, __u32 c)
{
	if (s->dialect == OUTRIDER_SQL_MYSQL && s->state == SQL_S_WORD && s->word & 0x80) {
		sql_stop(s); /* or a character's second half */
		return;
	}
	s->quote = c == '[' ? ']' : c;
	s->name_hash = c == '"' && sql_may_be_text(s, behind) ? s->hash : 0;
	s->name_length = s->out.length;
	s->word = SQL_NO_WORD;
	sql_doubt(s);
	s->utf8_rest = 0;
	s->last = 0;
	s->state = SQL_S_QUOTED_FIRST;
}

/* A name in quotes is over, and `c` follows, or nothing (0). It was no text if that is a dot. */
static inline void sql_end_quoted(struct sql_normal *s, __u32 c)
{
	s->state = SQL_S_VALUE;
	if (!s->name_hash || c == '.')
		return;
	s->hash = s->name_hash;
	s->out.length = s->name_length;
	sql_late_literal(s);
}

/* Bytes of a UTF-8 character that are to come behind `c`, where so many were before; or that it is none. */
static inline __u32 sql_utf8_rest(__u32 rest, __u32 c)
{
	if (rest == SQL_NO_UTF8 || (rest && (c & 0xc0) != 0x80))
		return SQL_NO_UTF8;
	if (rest)
		return rest - 1;
	if (c < 0x80)
		return 0;
	if (c < 0xc2 || c > 0xf4)
		return SQL_NO_UTF8;
	return 1 + (c >= 0xe0) + (c >= 0xf0);
}

/* The quote is there that ends a name. Of gbk, big5 and sjis a backtick may be a character's second half. */
static inline void sql_quote_in_name(struct sql_normal *s, __u32 c)
{
	if (s->dialect == OUTRIDER_SQL_MYSQL && s->last >= 0x80 && s->utf8_rest)
		sql_stop(s);
	else
		s->state = c == ']' ? SQL_S_VALUE : SQL_S_QUOTED_QUOTE;
}

/* True: the character is still to be looked at. */
static inline int sql_quoted(struct sql_normal *s, __u32 c)
{
	if (s->quote && s->state == SQL_S_QUOTED_QUOTE && c != s->quote) {
		sql_end_quoted(s, c);
		return 1;
	}
	if (s->quote && s->state != SQL_S_QUOTED_QUOTE && c == s->quote) {
		sql_quote_in_name(s, c);
		return 0;
	}
	if (s->state == SQL_S_QUOTED_FIRST || !s->last) {
		s->word = SQL_NO_WORD;
		sql_doubt(s);
		sql_begin(s, c);
	} else {
		sql_continue(s, c);
	}
	s->utf8_rest = sql_utf8_rest(s->utf8_rest, c);
	s->last = c;
	s->state = SQL_S_QUOTED;
	return 0;
}

#endif
