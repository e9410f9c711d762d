/* What an SQL text says without its data: one statement, one fingerprint. A character machine without loops of its own, so
 * that the same code runs in a bpf_loop callback and in user space. Plain C.
 *
 * Literals, numbers and parameters are `?`, with their sign; comments and white space are nothing; unquoted words are in
 * lower case, and "foo" is foo; a list of literals behind IN has one member, and rows behind VALUES or in it that say the
 * same are one row. What is left is hashed symbol by symbol (FNV-1a over 64 bits), and written out where somebody wants to read it.
 * What a quote is about and how a literal is written differs: there is a table for each dialect.
 * Where it cannot be told where a literal ends (a backslash before a quote, a name right behind one), all that comes is left
 * out: a literal is never taken for anything else.
 *
 * The machine is a table: (state, class of the character) -> (next state, what to do). Most characters need no more; what
 * needs a decision is an event. */
#ifndef OUTRIDER_BPF_SQL_NORMAL_H
#define OUTRIDER_BPF_SQL_NORMAL_H

#include "sql_quoted.h"
#include "sql_symbols.h"
#include "sql_table.h"

/* The last symbol that is no literal. */
static inline __u32 sql_last_symbol(const struct sql_normal *s)
{
	return s->word & 0xff;
}

static inline void sql_begin_row(struct sql_normal *s)
{
	if (s->rows == SQL_NEXT_ROW) {
		s->hash = s->row_comma_hash;
		s->out.length = s->row_comma_length;
	}
	s->row_hash = s->hash;
	s->row_length = s->out.length;
	s->hash = SQL_SEED;
	if (s->rows == SQL_NEXT_ROW)
		sql_write(s, ',');
	s->rows = SQL_IN_ROW;
}

static inline void sql_end_row(struct sql_normal *s)
{
	__u64 row = s->hash;

	s->rows = s->row_is_certain ? SQL_BEHIND_ROW : SQL_NO_ROWS;
	if (row == s->last_row && s->row_is_certain) {
		s->hash = s->row_hash;
		s->out.length = s->row_length;
		return;
	}
	s->hash = sql_hash(s->row_hash, row);
	s->last_row = row;
}

static inline void sql_comma(struct sql_normal *s, __u32 behind)
{
	s->state = SQL_S_START;
	if (s->rows == SQL_IN_ROW && s->brackets == s->row)
		s->row_is_certain = 1;
	if (s->rows == SQL_BEHIND_ROW && s->brackets + 1 == s->row && sql_last_symbol(s) == ')') {
		s->rows = SQL_NEXT_ROW;
		s->row_comma_hash = s->hash;
		s->row_comma_length = s->out.length;
	} else if (s->list && s->brackets == s->list && behind == SQL_S_VALUE) {
		s->comma_hash = s->hash;
		s->comma_length = s->out.length;
		s->state = SQL_S_MEMBER;
	}
	sql_operator(s, ',');
}

/* The last word is VALUES, or VALUE, and no function of that name: to MySQL it is one behind an operator. */
static inline int sql_is_values(const struct sql_normal *s, __u64 word)
{
	const __u64 value = SQL_4(0, 0, 0, 'v') << 32 | SQL_4('a', 'l', 'u', 'e');
	__u32 before = s->word >> (word == value ? 48 : 56) & 0xff;

	if (s->dialect != OUTRIDER_SQL_MYSQL)
		return word == (value << 8 | 's');
	if (word != value && word != (value << 8 | 's'))
		return 0;
	return !before || before == ')' || before == '_' || before == '$' || before >= 'a';
}

static inline void sql_open(struct sql_normal *s, __u32 behind)
{
	__u64 word = behind == SQL_S_NAME ? sql_last_word(s) : 0;
	int values = s->rows != SQL_IN_ROW && sql_is_values(s, word);
	int first = s->list && s->brackets == s->list && behind == SQL_S_START && sql_last_symbol(s) == '(';

	if (values || (first && s->rows != SQL_IN_ROW)) {
		s->row = s->brackets + 1;
		s->row_is_certain = values;
		s->rows = SQL_NO_ROWS;
		s->last_row = 0;
		sql_begin_row(s);
	} else if (s->rows == SQL_NEXT_ROW && s->brackets + 1 == s->row && sql_last_symbol(s) == ',' &&
		   s->hash == sql_hash(s->row_comma_hash, ',' | SQL_IS_OPERATOR)) {
		sql_begin_row(s);
	} else {
		if (s->rows != SQL_IN_ROW && s->brackets + 1 == s->row)
			s->rows = SQL_NO_ROWS;
		if (word == SQL_2('i', 'n')) {
			s->outer_list = s->list;
			s->list = s->brackets + 1;
		}
	}
	if (values || sql_expects_value(word)) /* else it may be a function */
		sql_write_blank(s);
	sql_operator(s, '(');
	s->brackets++;
	s->state = SQL_S_START;
}

static inline void sql_close(struct sql_normal *s, __u32 c)
{
	sql_operator(s, c);
	s->state = SQL_S_VALUE;
	if (c != ')')
		return;
	if (s->list == s->brackets) {
		s->list = s->outer_list;
		s->outer_list = 0;
	}
	if (s->rows == SQL_IN_ROW && s->brackets == s->row)
		sql_end_row(s);
	if (s->brackets)
		s->brackets--;
}

/* A plus or a minus behind what is `behind`. */
static inline void sql_sign(struct sql_normal *s, __u32 behind, __u32 c)
{
	s->sign = c;
	s->back = behind;
	if (behind == SQL_S_MEMBER) {
		s->state = SQL_S_MEMBER_SIGN;
	} else if (behind == SQL_S_START || (behind == SQL_S_NAME && sql_expects_value(sql_last_word(s)))) {
		s->state = SQL_S_SIGN;
	} else if (c == '-') {
		s->state = SQL_S_MINUS;
	} else {
		sql_operator(s, c);
		s->state = SQL_S_START;
	}
}

/* What waited for its next character was an operator. Always true: the character is still to be looked at. */
static inline int sql_was_operator(struct sql_normal *s, __u32 c)
{
	sql_operator(s, c);
	s->state = SQL_S_START;
	return 1;
}

/* Two minuses. */
static inline void sql_comment(struct sql_normal *s)
{
	s->state = s->dialect == OUTRIDER_SQL_MYSQL ? SQL_S_DASHES : SQL_S_LINE_COMMENT;
}

/* To MySQL two minuses begin a comment only before a blank or a control character. True: `c` is still to be looked at. */
static inline int sql_dashes(struct sql_normal *s, __u32 c)
{
	if (c == '\n') {
		s->state = s->back;
		return 0;
	}
	if (c >= 0x80) { /* a control character of latin1, or a letter of another character set */
		sql_stop(s);
		return 0;
	}
	if (c < ' ' || c == 127) {
		s->state = SQL_S_LINE_COMMENT;
		return 0;
	}
	sql_operator(s, '-');
	if (c != '-')
		return sql_was_operator(s, '-');
	s->back = SQL_S_START; /* the first of three; the others may begin one */
	return 0;
}

/* MySQL's character set of a text, before it: _utf8'x'. */
static inline int sql_is_charset(const struct sql_normal *s, __u64 word)
{
	if (s->dialect != OUTRIDER_SQL_MYSQL)
		return 0;
	for (__u32 bits = 48; bits; bits -= 8) {
		if (word >> bits)
			return word >> bits == '_';
	}
	return s->word >> 56 == '_';
}

/* The letter before a string, which `next` goes on with, says what kind of string it is. */
static inline void sql_prefixed_string(struct sql_normal *s, __u32 next)
{
	__u64 word = sql_last_word(s);
	int escaped = word == 'e' && s->dialect == OUTRIDER_SQL_POSTGRESQL;

	if (sql_is_charset(s, word)) {
		s->state = next;
		sql_literal(s);
		return;
	}
	if (!escaped && word != 'b' && word != 'x' && word != 'n') {
		sql_stop(s); /* or a literal's inside */
		return;
	}
	s->state = escaped ? SQL_S_ESCAPED : next;
	s->hash = sql_unhash(s->hash, word | SQL_BEGINS);
	s->out.length = s->word_length;
	sql_late_literal(s);
}

static inline int sql_dollar(struct sql_normal *s, __u32 class, __u32 c)
{
	if (class == SQL_C_DIGIT) {
		sql_same_member(s);
		s->state = SQL_S_NUMBER;
	} else if (class == SQL_C_DOLLAR) {
		sql_late_literal(s);
		s->tag = SQL_SEED;
		s->state = SQL_S_BODY;
	} else if (class == SQL_C_NAME || class == SQL_C_E) {
		s->tag = sql_hash(SQL_SEED, c);
		s->state = SQL_S_TAG;
	} else {
		return sql_was_operator(s, '$');
	}
	return 0;
}

static inline void sql_tag(struct sql_normal *s, __u32 class, __u32 c)
{
	if (class != SQL_C_DOLLAR) {
		s->tag = sql_hash(s->tag, c);
		return;
	}
	sql_late_literal(s);
	s->state = SQL_S_BODY;
}

static inline void sql_body_tag(struct sql_normal *s, __u32 class, __u32 c)
{
	if (class != SQL_C_DOLLAR)
		s->other_tag = sql_hash(s->other_tag, c);
	else if (s->other_tag == s->tag)
		s->state = SQL_S_VALUE;
	else
		s->other_tag = SQL_SEED; /* its end may be the beginning of the one that is looked for */
}

/* A token begins behind `behind`. */
static inline void sql_token(struct sql_normal *s, __u32 behind, __u32 class, __u32 c)
{
	switch (class) {
	case SQL_C_PLUS:
	case SQL_C_MINUS: sql_sign(s, behind, c); break;
	case SQL_C_SLASH: s->back = behind; s->state = SQL_S_SLASH; break;
	case SQL_C_HASH: s->back = behind; s->state = SQL_S_LINE_COMMENT; break;
	case SQL_C_DOUBLE: sql_begin_quoted(s, behind, c); break;
	case SQL_C_COMMA: sql_comma(s, behind); break;
	case SQL_C_OPEN: sql_open(s, behind); break;
	case SQL_C_CLOSE: sql_close(s, c); break;
	}
}

/* Decides what `c` means where the table alone cannot; `next` is what the table says comes. True: look at it again. */
static inline int sql_event(struct sql_normal *s, __u32 next, __u32 class, __u32 c)
{
	__u32 state = s->state;

	if (next == SQL_S_STOP) {
		sql_stop(s);
		return 0;
	}
	switch (state) {
	case SQL_S_EXPONENT:
		s->sign = '-' | SQL_OF_EXPONENT;
		s->back = SQL_S_VALUE;
		s->state = SQL_S_MINUS;
		return 0;
	case SQL_S_MINUS:
		if (s->sign & SQL_OF_EXPONENT && class == SQL_C_DIGIT) {
			s->state = SQL_S_NUMBER;
			return 0;
		}
		if (c != '-')
			return sql_was_operator(s, '-');
		sql_comment(s);
		return 0;
	case SQL_S_SIGN:
		if (c != '-' || s->sign != '-')
			return sql_was_operator(s, s->sign);
		sql_comment(s);
		return 0;
	case SQL_S_SIGN_BLANK: return sql_was_operator(s, s->sign);
	case SQL_S_MEMBER_SIGN:
		if (class == SQL_C_DIGIT) {
			sql_same_member(s);
			s->state = next;
			return 0;
		}
		if (class == SQL_C_SPACE || class == SQL_C_LINE) {
			s->sign |= SQL_BLANK_FOLLOWS; /* then another minus begins no comment */
			return 0;
		}
		if (c != '-' || s->sign != '-')
			return sql_was_operator(s, s->sign & 0xff);
		sql_comment(s);
		return 0;
	case SQL_S_SLASH:
		if (c != '*')
			return sql_was_operator(s, '/');
		s->comments = 1;
		s->state = s->dialect == OUTRIDER_SQL_MYSQL ? SQL_S_COMMENT_BEGINS : SQL_S_COMMENT;
		return 0;
	case SQL_S_DOT: return sql_was_operator(s, '.');
	case SQL_S_LINE_COMMENT: s->state = s->back; return 0;
	case SQL_S_COMMENT_STAR:
		s->comments--;
		s->state = s->comments ? SQL_S_COMMENT : s->back;
		return 0;
	case SQL_S_COMMENT_SLASH:
		s->comments++;
		s->state = SQL_S_COMMENT;
		return 0;
	case SQL_S_DOLLAR:
	case SQL_S_MEMBER_DOLLAR:
		if (s->dialect == OUTRIDER_SQL_SQLITE)
			break; /* behind a parameter */
		return s->dialect == OUTRIDER_SQL_MYSQL ? sql_dashes(s, c) : sql_dollar(s, class, c);
	case SQL_S_TAG: sql_tag(s, class, c); return 0;
	case SQL_S_BODY:
		s->other_tag = SQL_SEED;
		s->state = SQL_S_BODY_TAG;
		return 0;
	case SQL_S_BODY_TAG: sql_body_tag(s, class, c); return 0;
	case SQL_S_MEMBER:
		if (class != SQL_C_DIGIT && class != SQL_C_QUOTE && class != SQL_C_QUESTION && class != SQL_C_TEXT)
			break;
		sql_same_member(s);
		s->state = next;
		return 0;
	}
	if (next == SQL_S_QUOTED || next == SQL_S_QUOTED_QUOTE)
		return sql_quoted(s, c);
	if (class == SQL_C_QUOTE)
		sql_prefixed_string(s, next);
	else
		sql_token(s, next, class, c);
	return 0;
}

/* `writes`: characters of the text that are wanted, OUTRIDER_STATEMENT_TEXT - 1 at most; 0: the fingerprint alone. */
static inline void sql_reset(struct sql_normal *s, __u32 dialect, __u32 writes)
{
	__builtin_memset(s, 0, __builtin_offsetof(struct sql_normal, out.text));
	s->hash = SQL_SEED;
	s->dialect = dialect;
	s->writes = writes;
}

/* True: the character is to be looked at once more, in another state. */
static inline int sql_look(struct sql_normal *s, unsigned char byte)
{
	__u32 dialect = s->dialect & ((1 << SQL_DIALECT_BITS) - 1);
	__u32 c = sql_characters[dialect][byte] & 0xff, class = sql_characters[dialect][byte] >> 8;
	__u32 state = s->state & ((1 << SQL_STATE_BITS) - 1);
	__u32 entry = sql_table[dialect][state][class & ((1 << SQL_CLASS_BITS) - 1)];
	__u32 next = entry & ((1 << SQL_STATE_BITS) - 1);
	__u32 quoted = state == SQL_S_QUOTED || state == SQL_S_QUOTED_FIRST;

	switch (entry >> SQL_STATE_BITS) {
	case SQL_A_EVENT: return sql_event(s, next, class, quoted ? byte : c);
	case SQL_A_BEGIN:
		s->word = s->word << 16 | c;
		sql_begin(s, c);
		break;
	case SQL_A_CONTINUE:
		s->word = s->word << 8 | c;
		sql_continue(s, c);
		break;
	case SQL_A_OPERATOR: sql_operator(s, c); break;
	case SQL_A_LITERAL: sql_literal(s); break;
	}
	s->state = next;
	return 0;
}

/* One character, not 0. No loop: the verifier of Linux 6.1 refuses one whose end falls through to its beginning. */
static inline void sql_character(struct sql_normal *s, unsigned char byte)
{
	if (sql_look(s, byte))
		sql_look(s, byte);
}

/* Whatever comes is another statement. */
static inline int sql_is_over(const struct sql_normal *s)
{
	return s->state == SQL_S_OVER && s->dialect != OUTRIDER_SQL_POSTGRESQL;
}

/* The text is over. */
static inline void sql_finish(struct sql_normal *s)
{
	if (s->state == SQL_S_QUOTED_QUOTE)
		sql_end_quoted(s, 0);
	if (s->rows == SQL_IN_ROW) /* what is before the row belongs to it */
		s->hash = sql_hash(s->row_hash, s->hash);
}

/* True if the text said anything at all. */
static inline int sql_says_something(const struct sql_normal *s)
{
	return s->hash != SQL_SEED;
}

/* How much of a text that was written may be shown, which ends here, or is `cut` here. One that ends inside quotes has one too
 * many or too few somewhere: from its first one on, what was taken for the outside of literals may be the inside. Of one that
 * goes on nobody knows how it ends. */
static inline __u32 sql_shown_length(const struct sql_normal *s, int cut)
{
	switch (cut ? SQL_S_STOP : s->state) {
	case SQL_S_STOP:
	case SQL_S_STRING:
	case SQL_S_STRING_BACKSLASH:
	case SQL_S_ESCAPED:
	case SQL_S_ESCAPED_BACKSLASH:
	case SQL_S_QUOTED_FIRST:
	case SQL_S_QUOTED:
	case SQL_S_TAG:
	case SQL_S_BODY:
	case SQL_S_BODY_TAG:
		return s->doubt && s->doubt <= s->out.length ? s->doubt - 1 : s->out.length;
	}
	return s->out.length;
}

/* Of a text that is too long to be looked at: statements of one class may differ where nobody looks. */
static inline __u32 sql_size_class(__u64 size)
{
	__u32 class = 0;

	for (__u32 i = 0; i < 6; i++)
		class += size >= OUTRIDER_STATEMENT_TEXT * 2ULL << i;
	return class;
}

/* 64 bits that differ where the statements do, and never 0. `cut`: the text goes on, and is of that class of size. */
static inline __u64 sql_fingerprint(struct sql_normal *s, int cut, __u32 size_class)
{
	__u64 hash = s->hash;

	if (cut) {
		s->out.flags |= OUTRIDER_STATEMENT_CUT;
		hash = sql_hash(hash, size_class | 0x1000);
	}
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93ULL;
	return (hash ^ hash >> 32) | 1;
}

#endif
