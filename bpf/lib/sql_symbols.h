/* What the machine of sql_normal.h knows of a text so far, and how a symbol of it is hashed and written down. */
#ifndef OUTRIDER_BPF_SQL_SYMBOLS_H
#define OUTRIDER_BPF_SQL_SYMBOLS_H

#include "../abi/statement.h"
#include "sql_table.h"

enum sql_rows { SQL_NO_ROWS = 0, SQL_IN_ROW, SQL_BEHIND_ROW, SQL_NEXT_ROW };

#define SQL_BLANK_FOLLOWS 0x100u /* of a sign */
#define SQL_OF_EXPONENT 0x200u   /* or behind a hexadecimal number that ends with e, if no digit follows */

#define SQL_NO_UTF8 ~0u
#define SQL_NO_WORD 0x7f7f7f7f7f7f7f7fULL /* no letters, so that a name in quotes is no keyword */

#define SQL_SEED 0xcbf29ce484222325ULL
#define SQL_PRIME 0x100000001b3ULL
#define SQL_INVERSE 0xce965057aff6957bULL /* of that, modulo 2^64 */

struct sql_normal {
	__u64 hash;
	__u64 word;      /* the last characters that said something; a zero before each word's first one */
	__u64 tag, other_tag; /* of a dollar-quoted string */
	__u64 name_hash;      /* before a name in quotes that may be a text; 0: it is a name */
	__u64 comma_hash, row_hash, last_row; /* before a list's comma; before a row; of the row before */
	__u64 row_comma_hash;                 /* before the comma behind a row */
	__u32 dialect;   /* enum outrider_sql_dialect */
	__u32 state;
	__u32 back;      /* the state behind a comment */
	__u32 quote;     /* that ends the name in quotes, where several do; else 0 */
	__u32 last, utf8_rest; /* the last byte of that name, and how many its character wants: SQL_NO_UTF8 if it is none */
	__u32 comments;  /* open ones, nested */
	__u32 brackets, list, row; /* open ones; those of the IN list, and of the rows: 0 for none */
	__u32 outer_list;          /* the IN list that the other one is in */
	__u32 rows;
	__u32 row_is_certain;      /* else it is one if it has a comma */
	__u32 sign;
	__u32 writes;    /* that many characters of `out` are wanted */
	__u32 word_length, comma_length, row_length, row_comma_length, name_length; /* of `out`, where the hashes of that name are of */
	__u32 doubt;     /* behind that many characters of `out`, less one, is its first literal or name in quotes; 0: none yet */
	struct outrider_statement_text out;
};

static inline __u64 sql_hash(__u64 hash, __u64 symbol)
{
	return (hash ^ symbol) * SQL_PRIME;
}

/* The hash before that symbol. */
static inline __u64 sql_unhash(__u64 hash, __u64 symbol)
{
	return (hash * SQL_INVERSE) ^ symbol;
}

/* A word of up to eight letters as struct sql_normal has it. */
#define SQL_2(a, b) ((__u64)(a) << 8 | (b))
#define SQL_4(a, b, c, d) (SQL_2(a, b) << 16 | SQL_2(c, d))

/* The letters of the last word; of one with more than seven: none. */
static inline __u64 sql_last_word(const struct sql_normal *s)
{
	for (__u32 bits = 8; bits < 64; bits += 8) {
		if (!(s->word >> bits & 0xff))
			return s->word & ((1ULL << bits) - 1);
	}
	return 0;
}

/* Behind which a sign is a literal's own. Of a column of that name it is taken for one too: then `a - 1` is `a ?`. */
static inline int sql_expects_value(__u64 word)
{
	switch (word) {
	case SQL_2('o', 'r'):
	case SQL_2('i', 'n'):
	case SQL_2('b', 'y'):
	case SQL_2('o', 'n'):
	case SQL_4(0, 'a', 'n', 'd'):
	case SQL_4(0, 'n', 'o', 't'):
	case SQL_4(0, 's', 'e', 't'):
	case SQL_4('c', 'a', 's', 'e'):
	case SQL_4('w', 'h', 'e', 'n'):
	case SQL_4('t', 'h', 'e', 'n'):
	case SQL_4('e', 'l', 's', 'e'):
	case SQL_4('l', 'i', 'k', 'e'):
	case SQL_4(0, 0, 0, 'l') << 32 | SQL_4('i', 'm', 'i', 't'):
	case SQL_4(0, 0, 0, 'w') << 32 | SQL_4('h', 'e', 'r', 'e'):
	case SQL_4(0, 0, 's', 'e') << 32 | SQL_4('l', 'e', 'c', 't'):
	case SQL_4(0, 0, 'o', 'f') << 32 | SQL_4('f', 's', 'e', 't'):
	case SQL_4(0, 0, 'r', 'e') << 32 | SQL_4('t', 'u', 'r', 'n'):
	case SQL_4(0, 0, 'h', 'a') << 32 | SQL_4('v', 'i', 'n', 'g'):
	case SQL_4(0, 'b', 'e', 't') << 32 | SQL_4('w', 'e', 'e', 'n'):
		return 1;
	}
	return 0;
}

static inline void sql_write(struct sql_normal *s, char c)
{
	if (s->out.length >= s->writes)
		return;
	s->out.text[s->out.length & (OUTRIDER_STATEMENT_TEXT - 1)] = c;
	s->out.length++;
}

/* Between two tokens, as people write them: neither in brackets nor around a dot. */
static inline void sql_write_blank(struct sql_normal *s)
{
	char last = s->writes && s->out.length ? s->out.text[(s->out.length - 1) & (OUTRIDER_STATEMENT_TEXT - 1)] : '(';

	if (last != '(' && last != '.' && last != '[' && last != ':' && last != ' ')
		sql_write(s, ' ');
}

/* The hash behind a word of up to eight letters. */
static inline __u64 sql_hash_word(__u64 hash, __u64 word)
{
	__u64 begins = SQL_BEGINS;

	for (__u32 bits = 64; bits; bits -= 8) {
		__u64 c = word >> (bits - 8) & 0xff;

		if (!c)
			continue;
		hash = sql_hash(hash, c | begins);
		begins = 0;
	}
	return hash;
}

/* A character that begins a word, or, as it is, a name in quotes. */
static inline void sql_begin(struct sql_normal *s, __u32 c)
{
	s->word_length = s->out.length;
	s->hash = sql_hash(s->hash, c | SQL_BEGINS);
	sql_write_blank(s);
	sql_write(s, c);
}

static inline void sql_continue(struct sql_normal *s, __u32 c)
{
	s->hash = sql_hash(s->hash, c);
	sql_write(s, c);
}

/* Written with a blank before it, unless it goes on with another one: not what is close to its neighbours, as brackets are. */
static inline int sql_stands_apart(char c)
{
	return c == '<' || c == '>' || c == '=' || c == '!' || c == '|' || c == '+' || c == '-' || c == '*' || c == '/' || c == '%' ||
	       c == '&' || c == '^' || c == '~' || c == '@' || c == '#';
}

static inline void sql_operator(struct sql_normal *s, __u32 c)
{
	char last = s->writes && s->out.length ? s->out.text[(s->out.length - 1) & (OUTRIDER_STATEMENT_TEXT - 1)] : 0;

	s->word = s->word << 8 | c;
	s->hash = sql_hash(s->hash, c | SQL_IS_OPERATOR);
	if (sql_stands_apart(c) && !sql_stands_apart(last))
		sql_write_blank(s);
	sql_write(s, c);
}

/* If a quote turns out to be missing, or one too many, it is from here on that it may be. */
static inline void sql_doubt(struct sql_normal *s)
{
	if (!s->doubt)
		s->doubt = s->out.length + 1;
}

static inline void sql_literal(struct sql_normal *s)
{
	s->hash = sql_hash(s->hash, SQL_IS_LITERAL);
	sql_write_blank(s);
	sql_write(s, '?');
	sql_doubt(s);
}

/* Another member of a list of literals: neither it nor its comma say anything. */
static inline void sql_same_member(struct sql_normal *s)
{
	s->hash = s->comma_hash;
	s->out.length = s->comma_length;
}

/* A literal that was found out to be one late: it may have been the next member. */
static inline void sql_late_literal(struct sql_normal *s)
{
	if (s->list && s->brackets == s->list && s->hash == sql_hash(s->comma_hash, ',' | SQL_IS_OPERATOR))
		sql_same_member(s);
	else
		sql_literal(s);
}

/* What comes cannot be told from data. */
static inline void sql_stop(struct sql_normal *s)
{
	s->out.flags |= OUTRIDER_STATEMENT_UNCERTAIN;
	s->state = SQL_S_STOP;
}

#endif
