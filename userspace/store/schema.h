// The store's file: making it (mode 0600), checking its version, bringing older versions up, and moving a file aside
// that is no sound database. Internal to store/. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"
#include "userspace/store/database.h"
#include "userspace/store/options.h"

namespace outrider {

inline constexpr std::int64_t kSchemaVersion = 3;
/// The first that keeps what statements say.
inline constexpr std::int64_t kFirstWithStatements = 2;
/// The first that keeps whose they are.
inline constexpr std::int64_t kFirstWithSessions = 3;

/// So many names are kept in memory, so that they need not be looked for; then they are met anew.
inline constexpr std::size_t kMostNames = 20'000;

/// Whether `error`, from here, says that the file is sound but not to be written with these options: a newer Outrider
/// wrote it, another program did, or its steps are others. Trying again is no use.
bool is_refusal(const Error& error);
/// Whether `error`, from here, says that another Outrider writes to the file. It may end.
bool is_taken(const Error& error);

struct WritableFile {
  Fd lock;  ///< of "PATH.lock", which keeps other writers out; to be held for as long as the database is open
  Database database;
};

/// Opens the store for writing, made anew if it is missing. A corrupt file is an error (is_corruption()).
Result<WritableFile> open_for_writing(const StoreOptions& options);

/// Opens `path`, which another process or connection may be writing. Never changes the file.
Result<Database> open_for_reading(const std::string& path, int busy_timeout_ms);

/// The steps of the tiers that the file was made with, finest first, in milliseconds.
Result<std::vector<std::int64_t>> read_steps(const Database& database);

/// For each tier but the finest: all steps that begin before this are rolled up, for every target, and nothing newer is
/// to be read there. Empty in a file from before this was kept.
Result<std::vector<std::int64_t>> read_rolled_until(const Database& database);
inline constexpr const char* kRolledKey = "store.rolled";

/// Renames `path` and its log to "PATH.corrupt-<now_ms>", or the next number that is free. No connection of this
/// process may be open. Error: another Outrider writes to it.
Status move_aside(const std::string& path, std::int64_t now_ms);

/// Bytes of the database, its log and its index of the log.
std::int64_t file_bytes(const std::string& path);
std::int64_t log_bytes(const std::string& path);

}  // namespace outrider
