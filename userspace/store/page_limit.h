// The size limit as SQLite keeps it: in pages of the database file, those that are free counted. A file that is larger,
// because the limit was lowered, gives its free pages back. Internal to store/. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/base/result.h"
#include "userspace/store/database.h"

namespace outrider {

class PageLimit {
 public:
  static constexpr std::int64_t kPageBytes = 4096;

  /// Sets the limit for this connection. `path` is what the warning calls the file.
  Status prepare(Database& database, const std::string& path, std::int64_t bytes);
  /// Gives some of the free pages back while the file is larger than the limit: few enough that a write stays short.
  /// A transaction of its own, which goes through the write-ahead log as any other.
  Status shrink(Database& database) const;
  /// That the file is larger and cannot shrink; empty: it can, or need not.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  Status set(Database& database) const;
  [[nodiscard]] Result<std::int64_t> excess(const Database& database) const;

  std::int64_t pages_ = 0;
  bool can_shrink_ = false;
  std::string warning_;
};

}  // namespace outrider
