#include "userspace/model/statement_scan.h"

#include <stdbool.h>
#include <string.h>

#include "bpf/lib/sql_normal.h"

void outrider_fill_statement_steps(uint32_t steps[OUTRIDER_STATEMENT_STEPS])
{
	_Static_assert(OUTRIDER_STATEMENT_STEPS == SQL_STEPS, "one table");
	for (uint32_t i = 0; i < SQL_STEPS; i++)
		steps[i] = sql_step_of(i >> 8 >> SQL_STATE_BITS, i >> 8 & ((1u << SQL_STATE_BITS) - 1), i & 0xff);
}

uint64_t outrider_scan_statement(enum outrider_sql_dialect dialect, const char *sql, size_t size,
				 struct outrider_statement_text *out)
{
	const size_t most = OUTRIDER_STATEMENT_TEXT - 1, all = strnlen(sql, size), looked_at = all < most ? all : most;
	struct sql_normal machine;
	uint64_t fingerprint;
	uint32_t shown;
	bool cut;

	sql_reset(&machine, dialect, OUTRIDER_STATEMENT_TEXT - 1);
	for (size_t i = 0; i < looked_at; i++)
		sql_character(&machine, (unsigned char)sql[i]);
	sql_finish(&machine);
	cut = all > most && !sql_is_over(&machine);
	fingerprint = sql_says_something(&machine) ? sql_fingerprint(&machine, cut, sql_size_class(all)) : 0;
	shown = sql_shown_length(&machine, cut);
	out->flags = machine.out.flags | (shown < machine.out.length ? OUTRIDER_STATEMENT_UNCERTAIN : 0);
	out->length = shown;
	out->user_length = 0;
	out->database_at = 0;
	out->database_length = 0;
	memcpy(out->text, machine.out.text, shown);
	return fingerprint;
}
