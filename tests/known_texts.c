#include "tests/known_texts.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/lib/sql_shape.h"

struct known_texts {
  struct sql_normal machine;
  enum outrider_sql_dialect dialect;
  __u64 text[(OUTRIDER_STATEMENT_TEXT + SQL_MATCH_STEP) / 8];
  struct sql_shapes shapes; /* the last, so that what is read behind it is seen */
};

struct known_texts *known_texts_new(enum outrider_sql_dialect dialect) {
  struct known_texts *texts = calloc(1, sizeof(*texts));

  if (texts) texts->dialect = dialect;
  return texts;
}

void known_texts_learn_next(struct known_texts *texts) { texts->shapes.whole = SQL_SHAPE_EVERY - 1; }

static int is_known(struct known_texts *texts) {
  for (__u32 guess = 0; guess < SQL_SHAPE_GUESSES; guess++) {
    if (!sql_match_begin(&texts->shapes, guess)) continue;
    for (__u32 turn = 0; turn < SQL_MATCH_TURNS && !sql_match_turn(&texts->shapes, texts->text); turn++) {
    }
    if (texts->shapes.match.matches) return 1;
  }
  return 0;
}

uint64_t known_texts_send(struct known_texts *texts, const char *sql, size_t size) {
  struct sql_normal *machine = &texts->machine;
  __u64 fingerprint;

  if (size >= OUTRIDER_STATEMENT_TEXT - 1 || memchr(sql, 0, size)) abort();
  memcpy(texts->text, sql, size); /* behind it is what a longer text left, as in the kernel */
  memset((char *)texts->text + size, 0, SQL_MATCH_STEP);
  if (is_known(texts)) return sql_shape_sent(&texts->shapes);

  sql_reset(machine, texts->dialect, 0);
  for (size_t i = 0; i < size; i++) sql_character(machine, (unsigned char)sql[i]);
  sql_finish(machine);
  fingerprint = sql_says_something(machine) ? sql_fingerprint(machine, 0, 0) : 0;
  if (!fingerprint || !sql_shape_missed(&texts->shapes, fingerprint, size + 1)) return 0;
  sql_reset(machine, texts->dialect, 0);
  for (size_t i = 0; i <= size; i++) {
    const unsigned char c = i < size ? (unsigned char)sql[i] : 0;
    const __u32 before = machine->state;

    if (c) sql_character(machine, c);
    sql_learn(&texts->shapes, i, c, before, machine->state);
  }
  sql_learnt(&texts->shapes, fingerprint);
  return 0;
}

static bool leaves_alone(enum outrider_sql_dialect dialect, __u32 state, unsigned char c) {
  return sql_step_of(dialect, state, c) == (state << SQL_STEP_STATE_AT | SQL_STEP_NONE);
}

bool known_texts_may_be_known(void) {
  for (__u32 dialect = OUTRIDER_SQL_POSTGRESQL; dialect <= OUTRIDER_SQL_SQLITE; dialect++) {
    for (unsigned char digit = '0'; digit <= '9'; digit++) {
      if (sql_characters[dialect][digit] >> 8 != sql_characters[dialect]['0'] >> 8 ||
          !leaves_alone(dialect, SQL_S_NUMBER, digit))
        return false;
    }
    for (__u32 c = 1; c < 256; c++) {
      if (c == '\'' || c == '"' || c == '\\') continue;
      if (!leaves_alone(dialect, SQL_S_STRING, c) || !leaves_alone(dialect, SQL_S_ESCAPED, c)) return false;
    }
  }
  return true;
}
