#include "userspace/store/page_limit.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrider {
namespace {

// Each may be another page moved to its place, and so goes through the log as well.
constexpr std::int64_t kShrinkPages = 256;
constexpr std::int64_t kIncremental = 2;  ///< of PRAGMA auto_vacuum

}  // namespace

Status PageLimit::prepare(Database& database, const std::string& path, std::int64_t bytes) {
  pages_ = bytes / kPageBytes;
  if (Status done = set(database); !done) return done;
  const auto vacuum = database.number("PRAGMA auto_vacuum");
  if (!vacuum) return vacuum.error();
  can_shrink_ = vacuum->value_or(0) == kIncremental;
  const auto more = excess(database);
  if (!more) return more.error();
  if (can_shrink_ || *more <= 0) return Ok{};
  warning_ = fmt::format(
      "the store {0} is {1} MiB larger than its limit and does not shrink, for an older Outrider made it; to have it "
      "shrink, stop the service and run: sqlite3 '{0}' 'PRAGMA auto_vacuum = INCREMENTAL; VACUUM'",
      path, (*more * kPageBytes >> 20) + 1);
  return Ok{};
}

// SQLite makes it no less than the file has.
Status PageLimit::set(Database& database) const {
  return database.execute(fmt::format("PRAGMA max_page_count = {}", pages_));
}

// Below 0: so many may still come.
Result<std::int64_t> PageLimit::excess(const Database& database) const {
  const auto pages = database.number("PRAGMA page_count");
  if (!pages) return pages.error();
  return pages->value_or(0) - pages_;
}

Status PageLimit::shrink(Database& database) const {
  if (!can_shrink_) return Ok{};
  const auto more = excess(database);
  if (!more) return more.error();
  if (*more <= 0) return Ok{};
  const auto spare = database.number("PRAGMA freelist_count");
  if (!spare) return spare.error();
  if (spare->value_or(0) == 0) return Ok{};
  const std::int64_t pages = std::min(*more, kShrinkPages);
  if (Status done = database.execute(fmt::format("PRAGMA incremental_vacuum({})", pages)); !done) return done;
  // The file is cut once all of the log is in it.
  const auto busy = database.number("PRAGMA wal_checkpoint(PASSIVE)");
  if (!busy) return busy.error();
  return set(database);
}

}  // namespace outrider
