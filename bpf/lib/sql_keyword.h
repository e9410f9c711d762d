/* The first keyword of an SQL text: its query type. A character machine without loops of its own, so that the same
 * code runs in a bpf_loop callback and in a host test. Skips white space, parentheses, semicolons, `-- ` comments and
 * nested block comments, as PostgreSQL's scanner does. */
#ifndef OUTRIDER_BPF_SQL_KEYWORD_H
#define OUTRIDER_BPF_SQL_KEYWORD_H

#define SQL_KEYWORD_MAX 15 /* letters kept; no SQL command is longer */

enum sql_scan_state { SQL_SKIP = 0, SQL_LINE_COMMENT, SQL_BLOCK_COMMENT, SQL_WORD };

struct sql_scan {
	unsigned char state;
	unsigned char depth;    /* of block comments */
	unsigned char previous; /* character before this one */
	unsigned char length;   /* of the keyword so far */
};

enum sql_step { SQL_MORE = 0, SQL_LETTER, SQL_DONE };

static inline int sql_is_letter(unsigned char c)
{
	unsigned char upper = c & 0xdf;

	return upper >= 'A' && upper <= 'Z';
}

/* One character of the text. SQL_LETTER: it belongs to the keyword; SQL_DONE: the keyword, or the text, is over. */
static inline enum sql_step sql_step(struct sql_scan *s, unsigned char c)
{
	unsigned char previous = s->previous;

	s->previous = c;
	if (c == 0)
		return SQL_DONE;
	if (s->state == SQL_WORD)
		return sql_is_letter(c) || c == '_' ? SQL_LETTER : SQL_DONE;
	if (s->state == SQL_LINE_COMMENT) {
		if (c == '\n')
			s->state = SQL_SKIP;
		return SQL_MORE;
	}
	if (s->state == SQL_BLOCK_COMMENT) {
		if (previous == '/' && c == '*') {
			s->depth++;
			s->previous = 0;
		} else if (previous == '*' && c == '/') {
			s->previous = 0;
			if (--s->depth == 0)
				s->state = SQL_SKIP;
		}
		return SQL_MORE;
	}
	if (sql_is_letter(c)) {
		s->state = SQL_WORD;
		return SQL_LETTER;
	}
	if (previous == '-' && c == '-') {
		s->state = SQL_LINE_COMMENT;
	} else if (previous == '/' && c == '*') {
		s->state = SQL_BLOCK_COMMENT;
		s->depth = 1;
		s->previous = 0;
	} else if (c != ' ' && (c < '\t' || c > '\r') && c != '(' && c != ';' && c != '-' && c != '/') {
		return SQL_DONE;
	}
	return SQL_MORE;
}

#endif
