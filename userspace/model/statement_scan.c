#include "userspace/model/statement_scan.h"

#include <string.h>

#include "bpf/lib/sql_normal.h"

void outrider_fill_statement_steps(uint32_t steps[OUTRIDER_STATEMENT_STEPS])
{
	_Static_assert(OUTRIDER_STATEMENT_STEPS == SQL_STEPS, "one table");
	for (uint32_t state = 0; state < 1u << SQL_STATE_BITS; state++) {
		for (uint32_t byte = 0; byte < 256; byte++)
			steps[state * 256 + byte] = sql_step_of(state, byte);
	}
}

uint64_t outrider_scan_statement(const char *sql, size_t size, struct outrider_statement_text *out)
{
	const size_t most = OUTRIDER_STATEMENT_TEXT - 1, all = strnlen(sql, size), looked_at = all < most ? all : most;
	struct sql_normal machine;
	uint64_t fingerprint;

	uint32_t shown;

	sql_reset(&machine, OUTRIDER_STATEMENT_TEXT - 1);
	for (size_t i = 0; i < looked_at; i++)
		sql_character(&machine, (unsigned char)sql[i]);
	fingerprint = sql_says_something(&machine) ? sql_fingerprint(&machine, all > most, sql_size_class(all)) : 0;
	shown = sql_shown_length(&machine, all > most);
	out->flags = machine.out.flags | (shown < machine.out.length ? OUTRIDER_STATEMENT_UNCERTAIN : 0);
	out->length = shown;
	memcpy(out->text, machine.out.text, shown);
	return fingerprint;
}
