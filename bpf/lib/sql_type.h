/* Type of a query from its SQL text, read from the target's memory. */
#ifndef OUTRIDER_BPF_SQL_TYPE_H
#define OUTRIDER_BPF_SQL_TYPE_H

#include "sql_keyword.h"
#include "statements.h"

#define SQL_TEXT_LOOKED_AT 128 /* bytes, a power of two: leading comments longer than that give UNKNOWN */

struct sql_context {
	struct sql_scan scan;
	char text[SQL_TEXT_LOOKED_AT];
	char name[SQL_KEYWORD_MAX + 1];
};

/* Always 0, which the verifier does not know. That of Linux 6.1 looks at the first turn of a loop alone: of a state that is
 * zero there for sure it takes all others for unreachable, and removes what they do. */
volatile __u8 sql_zero __weak = 0;

static long sql_callback(u32 i, struct sql_context *c)
{
	unsigned char ch = c->text[i & (SQL_TEXT_LOOKED_AT - 1)];
	u32 at;

	switch (sql_step(&c->scan, ch)) {
	case SQL_LETTER:
		if (c->scan.length >= SQL_KEYWORD_MAX)
			return 1;
		/* Read anew, so that the verifier knows no more of it than the mask says: of a name whose last byte could never
		 * be written, Linux 6.18.15 takes that byte for unset and refuses to copy the name. */
		at = *(volatile unsigned char *)&c->scan.length & (sizeof(c->name) - 1);
		c->name[at] = ch == '_' ? ch : ch & 0xdf;
		c->scan.length = at + 1;
		return 0;
	case SQL_DONE:
		return 1;
	default:
		return 0;
	}
}

/* Fills `name` (OUTRIDER_TYPE_NAME - 1 bytes, zeroed by the caller). 1: a keyword or UNKNOWN; 0: there is nothing in the
 * text but white space, semicolons and comments; negative: it could not be read. A function of its own, for the stack's sake. */
static __noinline int sql_type(const char *text, char *name)
{
	struct sql_context c = {};
	u8 zero = sql_zero;
	long n;

	if (!text)
		return 0;
	c.scan = (struct sql_scan){.state = zero, .depth = zero, .previous = zero, .length = zero};
	n = bpf_probe_read_user_str(c.text, sizeof(c.text), text);
	if (n < 0)
		return -1;
	if (n <= 1)
		return 0;
	bpf_loop(SQL_TEXT_LOOKED_AT, sql_callback, &c, 0);
	if (c.scan.length == 0) {
		/* The scan stopped at the text's own end, not where we cut it. */
		if (c.scan.previous == 0 && n < SQL_TEXT_LOOKED_AT)
			return 0;
		__builtin_memcpy(c.name, "UNKNOWN", 8);
	}
	__builtin_memcpy(name, c.name, sizeof(c.name));
	return 1;
}

/* The same, by the statement or by its first keyword, as the target's types are wanted. `limit`: as statement_type() has it. */
INLINE int text_type(const struct outrider_target *t, u32 target, const char *text, u32 limit, char *name)
{
	return t->statements ? statement_type(t, target, text, limit, name) : sql_type(text, name);
}

#endif
