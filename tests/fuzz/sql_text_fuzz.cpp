// Any bytes as SQL: its first keyword and its statement as the kernel side finds them.
#include <algorithm>
#include <memory>

#include "bpf/lib/sql_keyword.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/known_texts.h"
#include "userspace/model/statement.h"
#include "userspace/model/utf8.h"

namespace {

void find_keyword(std::string_view sql) {
  sql_scan scan{};
  for (const char c : sql) {
    const enum sql_step step = sql_step(&scan, static_cast<unsigned char>(c));
    if (step == SQL_DONE) return;
    if (step == SQL_LETTER && ++scan.length >= SQL_KEYWORD_MAX) return;
  }
}

// A string that any engine of standard SQL takes for one literal: nothing of it may be shown.
void hide_literal(std::string_view bytes, outrider_sql_dialect dialect) {
  std::string sql = "SELECT '";
  for (const char c : bytes) {
    if (c == '\\') continue;
    sql += c;
    if (c == '\'') sql += c;
  }
  sql += "' FROM t";
  if (sql.size() >= OUTRIDER_STATEMENT_TEXT || sql.find('\0') != std::string::npos) return;
  const auto statement = outrider::statement_of(sql, dialect);
  outrider::demand(statement && statement->text == "select ? from t", "a literal is hidden whole");
  outrider::demand(statement->fingerprint == outrider::statement_of("SELECT 1 FROM t", dialect)->fingerprint,
                   "whatever it says");
}

void find_statement(std::string_view sql, outrider_sql_dialect dialect) {
  const auto statement = outrider::statement_of(sql, dialect);
  if (!statement) return;
  outrider::demand(outrider::valid_utf8(statement->text) == statement->text, "a statement is UTF-8");
  outrider::demand(statement->fingerprint != 0, "0 is none");
  outrider::demand(outrider::is_statement_type(outrider::statement_type(statement->fingerprint, statement->text)),
                   "its type is known for one");
}

// What the kernel side writes down of a statement, whose lengths nobody has checked yet.
void read_written(std::string_view bytes) {
  outrider_statement_text written{};
  bytes.copy(reinterpret_cast<char*>(&written), sizeof(written));
  const std::string shown = outrider::shown_statement(written);
  outrider::demand(outrider::valid_utf8(shown) == shown, "what is shown is UTF-8");
  const auto session = outrider::session_of_statement(written);
  if (!session) return;
  for (const std::string& name : {session->user, session->database})
    outrider::demand(outrider::valid_utf8(name) == name && name.size() <= 3 * sizeof(written.names), "so is a name");
  outrider::made(outrider::whose(std::make_shared<outrider::ClientSession>(*session)));
}

/// Other digits and characters here and there, and more or fewer of them, as the input says.
std::string changed(std::string_view sql, std::string_view bytes) {
  std::string other;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    const auto choice = static_cast<unsigned char>(bytes[i % bytes.size()]);
    other += sql[i] >= '0' && sql[i] <= '9' ? std::to_string(choice) : std::string(choice % 8 == 7 ? 2 : 1, sql[i]);
    if (choice % 16 == 3) other.back() = bytes[choice % bytes.size()];
  }
  return other;
}

// Of texts of which one has the shape of the other, both are the same statement.
void know_texts(std::string_view sql, outrider_sql_dialect dialect) {
  const auto half = sql.substr(0, sql.size() / 2);
  const std::string text(half.substr(0, half.find('\0')));
  if (text.size() >= OUTRIDER_STATEMENT_TEXT - 1) return;
  const std::unique_ptr<known_texts, decltype(&std::free)> texts(known_texts_new(dialect), &std::free);
  known_texts_learn_next(texts.get());
  outrider::demand(known_texts_send(texts.get(), text.data(), text.size()) == 0, "nothing is known yet");
  const auto statement = outrider::statement_of(text, dialect);
  outrider::demand(known_texts_send(texts.get(), text.data(), text.size()) == (statement ? statement->fingerprint : 0),
                   "a text has its own shape");
  for (const std::string_view bytes : {sql.substr(sql.size() / 2), sql.substr(sql.size() / 4)}) {
    if (bytes.empty()) return;
    const std::string other = changed(text, bytes);
    if (other.size() >= OUTRIDER_STATEMENT_TEXT - 1 || other.find('\0') != std::string::npos) return;
    const auto known = known_texts_send(texts.get(), other.data(), other.size());
    outrider::demand(known == 0 || known == outrider::statement_of(other, dialect)->fingerprint,
                     "one shape, one statement");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view sql = outrider::text_of(data, size);
  const std::string text = outrider::without_controls(sql);
  outrider::demand(outrider::without_controls(text) == text, "what is shown has nothing left to escape");
  outrider::made(outrider::log_text(sql, "<3>"));
  find_keyword(sql);
  read_written(sql);
  outrider::made(outrider::is_of_type(sql, "SELECT"));
  for (const auto dialect : {OUTRIDER_SQL_POSTGRESQL, OUTRIDER_SQL_MYSQL, OUTRIDER_SQL_SQLITE}) {
    find_statement(sql, dialect);
    hide_literal(sql, dialect);
    know_texts(sql, dialect);
  }
  return 0;
}
