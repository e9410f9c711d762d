/* bpf/lib/sql_shape.h as the programs in the kernel use it, for tests: what a thread has sent, in one dialect. Plain C,
 * for the tables are C's own. */
#ifndef OUTRIDER_TESTS_KNOWN_TEXTS_H
#define OUTRIDER_TESTS_KNOWN_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi/statement.h"

#ifdef __cplusplus
extern "C" {
#endif

struct known_texts;

/* To be given back with free(); NULL without memory. */
struct known_texts *known_texts_new(enum outrider_sql_dialect dialect);

/* The thread sends a text of OUTRIDER_STATEMENT_TEXT - 2 bytes at most, none of them zero. Its fingerprint if it had
 * the shape of a known one; 0 if it did not, and had to be looked at whole. */
uint64_t known_texts_send(struct known_texts *texts, const char *sql, size_t size);

/* The next text that has to be looked at whole is learnt, as one of so many is. */
void known_texts_learn_next(struct known_texts *texts);

/* What the shapes rely on holds in the tables of every dialect: digits are all alike in all states, one within a number
 * changes nothing, nor does what is within a string, but for a zero, quotes and backslashes. */
bool known_texts_may_be_known(void);

#ifdef __cplusplus
}
#endif
#endif
