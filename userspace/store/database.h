// SQLite behind two owners: a connection and a prepared statement. Internal to store/. Neither is thread-safe; a
// statement must not outlive its connection. Errors carry SQLite's extended result code in Error::code.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace outrider {

/// Whether `error`, from here, says that the file is no sound database.
bool is_corruption(const Error& error);

class Statement {
 public:
  Statement() = default;
  Statement& bind(int index, std::int64_t value);
  /// Text and bytes are borrowed until the next reset().
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  /// True: there is a row; false: done.
  Result<bool> step();
  /// Runs to the end and resets.
  Status run();
  /// Must follow the last step(): a statement left open holds its lock.
  void reset();

  [[nodiscard]] std::int64_t number(int column) const;
  /// Valid until the next step().
  [[nodiscard]] std::string_view bytes(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly, kImmutable };

  Database() = default;
  static Result<Database> open(const std::string& path, Mode mode, int busy_timeout_ms);

  Status execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql) const;
  /// First column of the first row; none without rows.
  Result<std::optional<std::int64_t>> number(std::string_view sql) const;
  /// Statements end with SQLITE_INTERRUPT once `is_over` says so; it is asked every some hundred rows. Borrowed,
  /// for as long as this lives.
  void set_limit(const std::function<bool()>* is_over);
  [[nodiscard]] std::int64_t last_row() const;
  [[nodiscard]] int changes() const;
  [[nodiscard]] bool valid() const { return handle_ != nullptr; }
  /// Whether its path leads to no file, or to one of another number.
  [[nodiscard]] bool has_moved() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  [[nodiscard]] Error error(const std::string& context) const;

  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace outrider
