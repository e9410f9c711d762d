/* The machine of bpf/lib/sql_normal.h for user space: plain C, for its tables are C's own. */
#ifndef OUTRIDER_MODEL_STATEMENT_SCAN_H
#define OUTRIDER_MODEL_STATEMENT_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/abi/statement.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OUTRIDER_STATEMENT_STEPS 32768

/* What a program in the kernel goes by. */
void outrider_fill_statement_steps(uint32_t steps[OUTRIDER_STATEMENT_STEPS]);

/* As a program in the kernel sees `sql`, of which `size` bytes are there: its fingerprint, 0 for a text that says
 * nothing. */
uint64_t outrider_scan_statement(enum outrider_sql_dialect dialect, const char *sql, size_t size,
                                 struct outrider_statement_text *out);

#ifdef __cplusplus
}
#endif
#endif
