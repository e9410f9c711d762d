#include "userspace/store/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstring>

#include "userspace/base/privileges.h"

namespace outrider {
namespace {

std::string uri_of(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    // Only these have a meaning inside the path part of a URI.
    if (c == '?' || c == '#' || c == '%') {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

// "disk I/O error" alone is what SQLite says of a full disk as well.
std::string message_of(sqlite3* handle) {
  const int primary = sqlite3_errcode(handle) & 0xff;
  const int system = sqlite3_system_errno(handle);
  const bool of_system = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
  if (!of_system || system == 0) return sqlite3_errmsg(handle);
  return fmt::format("{} ({}{})", sqlite3_errmsg(handle), std::strerror(system), advice_on_refusal(system));
}

}  // namespace

bool is_corruption(const Error& error) {
  const int primary = error.code & 0xff;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text(statement_.get(), index, text.data(), static_cast<int>(text.size()), nullptr);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  // A null pointer would be NULL, not an empty blob.
  const char* data = bytes.empty() ? "" : bytes.data();
  sqlite3_bind_blob(statement_.get(), index, data, static_cast<int>(bytes.size()), nullptr);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* handle = sqlite3_db_handle(statement_.get());
  return Error{fmt::format("the store could not be used: {}", message_of(handle)), sqlite3_extended_errcode(handle)};
}

Status Statement::run() {
  Result<bool> more = step();
  while (more && *more) more = step();
  reset();
  if (!more) return more.error();
  return Ok{};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

Error Database::error(const std::string& context) const {
  sqlite3* handle = handle_.get();
  return Error{fmt::format("{} {}: {}", context, path_, message_of(handle)), sqlite3_extended_errcode(handle)};
}

Result<Database> Database::open(const std::string& path, Mode mode, int busy_timeout_ms) {
  Database database;
  database.path_ = path;
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  if (mode == Mode::kImmutable) flags |= SQLITE_OPEN_URI;
  sqlite3* handle = nullptr;
  const std::string name = mode == Mode::kImmutable ? uri_of(path) : path;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  database.handle_.reset(handle);
  if (handle == nullptr) return Error{"open the store " + path + ": out of memory", SQLITE_NOMEM};
  if (code != SQLITE_OK) return database.error("open the store");
  sqlite3_busy_timeout(handle, busy_timeout_ms);
  return database;
}

Status Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return Ok{};
  return error("use the store");
}

Result<Statement> Database::prepare(std::string_view sql) const {
  Statement statement;
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr);
  statement.statement_.reset(raw);
  if (code != SQLITE_OK) return error("read the store");
  return statement;
}

Result<std::optional<std::int64_t>> Database::number(std::string_view sql) const {
  Result<Statement> statement = prepare(sql);
  if (!statement) return statement.error();
  const Result<bool> row = statement->step();
  if (!row) return row.error();
  if (!*row) return std::optional<std::int64_t>();
  return std::optional(statement->number(0));
}

void Database::set_limit(const std::function<bool()>* is_over) {
  constexpr int kInstructions = 10'000;
  static constexpr auto kAsk = [](void* asked) -> int {
    return (*static_cast<const std::function<bool()>*>(asked))() ? 1 : 0;
  };
  sqlite3_progress_handler(handle_.get(), kInstructions, kAsk, const_cast<std::function<bool()>*>(is_over));
}

std::int64_t Database::last_row() const { return sqlite3_last_insert_rowid(handle_.get()); }
int Database::changes() const { return sqlite3_changes(handle_.get()); }

bool Database::has_moved() const {
  int moved = 0;
  return sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

}  // namespace outrider
