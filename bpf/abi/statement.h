/* What a statement says without its data, as programs in the kernel write it down. Shared by kernel and user space. */
#ifndef OUTRIDER_ABI_STATEMENT_H
#define OUTRIDER_ABI_STATEMENT_H

#include <linux/types.h>

/* Whose lexical rules a text follows. */
enum outrider_sql_dialect { OUTRIDER_SQL_NONE = 0, OUTRIDER_SQL_POSTGRESQL, OUTRIDER_SQL_MYSQL, OUTRIDER_SQL_SQLITE };

#define OUTRIDER_STATEMENT_TEXT 1024 /* bytes of a text that are looked at, and of what is written; a power of two */

#define OUTRIDER_STATEMENT_CUT 1u       /* the text is longer than what was looked at */
#define OUTRIDER_STATEMENT_UNCERTAIN 2u /* where a literal ends could not be told: what comes was not looked at */

/* Statements of several databases, or users, are several types: bits of outrider_target.by. */
#define OUTRIDER_BY_DATABASE 1u
#define OUTRIDER_BY_USER 2u

#define OUTRIDER_SESSION_NAMES 128 /* room for the names of a user and a database, and a blank: 63 bytes each */

struct outrider_statement_text {
	__u32 flags;
	__u32 length;
	char text[OUTRIDER_STATEMENT_TEXT]; /* `length` bytes, no zero at their end */
	/* Whose executions alone are meant. The names are in `names`, the user's first; a length of 0: anybody's. */
	__u8 user_length, database_at, database_length, pad;
	char names[OUTRIDER_SESSION_NAMES];
};

/* A type that is a statement has this instead of a name's first character, and then its fingerprint. */
#define OUTRIDER_STATEMENT_MARK 1

#endif
