#include "userspace/store/schema.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "userspace/base/privileges.h"

namespace outrider {
namespace {

// The finest tier is written each second: its rows lie in the order of time, so that a batch touches few pages. The
// others are written once a step and read one type at a time: theirs lie by type.
constexpr const char* kCreate = R"(
CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE recent(target INTEGER, begin INTEGER, type INTEGER, body BLOB NOT NULL,
                    PRIMARY KEY(target, begin, type)) WITHOUT ROWID;
CREATE TABLE rolled(tier INTEGER, target INTEGER, type INTEGER, begin INTEGER, body BLOB NOT NULL,
                    PRIMARY KEY(tier, target, type, begin)) WITHOUT ROWID;
CREATE TABLE state(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
)";

// Since kFirstWithStatements. `id` is the name's; `noted`: when a point bore it, to the day.
constexpr const char* kCreateStatements =
    "CREATE TABLE statement(id INTEGER PRIMARY KEY, text TEXT NOT NULL, noted INTEGER NOT NULL);";

// Since kFirstWithSessions; empty: anybody's.
constexpr const char* kAddSessions =
    "ALTER TABLE statement ADD COLUMN database TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE statement ADD COLUMN user TEXT NOT NULL DEFAULT '';";

constexpr int kRefusal = -1, kTaken = -2;
constexpr std::int64_t kApplicationId = 0x4f757472;  ///< "Outr", as file(1) shows it
constexpr const char* kStepsKey = "store.steps";

constexpr std::array<const char*, 3> kSuffixes = {"", "-wal", "-shm"};

Error refusal(std::string message) { return Error{std::move(message), kRefusal}; }

std::int64_t size_of(const std::string& file) {
  struct stat status {};
  return ::stat(file.c_str(), &status) == 0 ? status.st_size : 0;
}

// Neither SQLite's nor errno's numbers: EAGAIN is SQLITE_CORRUPT.
Error system_error(const std::string& context) {
  const int code = errno;
  return Error{Error::from_errno(code, context).message + advice_on_refusal(code)};
}

/// Whether the file is a store that this program may use; 0 if it has nothing in it yet.
Result<std::int64_t> check_version(const Database& database, const std::string& path) {
  const auto version = database.number("PRAGMA user_version");
  if (!version) return version.error();
  const auto application = database.number("PRAGMA application_id");
  if (!application) return application.error();
  const auto tables = database.number("SELECT count(*) FROM sqlite_master");
  if (!tables) return tables.error();
  if (**application != kApplicationId && (**version != 0 || **tables != 0)) {
    return refusal(fmt::format("{} is a database of another program; give the store another path", path));
  }
  if (**version > kSchemaVersion) {
    return refusal(fmt::format(
        "the store {} was written by a newer Outrider (version {}, this one knows {}); use that one, or give another "
        "path",
        path, **version, kSchemaVersion));
  }
  return **version;
}

std::string joined(const std::vector<std::int64_t>& steps) { return fmt::format("{}", fmt::join(steps, ",")); }

/// None if the key is not there, or holds anything but numbers above 0.
Result<std::vector<std::int64_t>> read_numbers(const Database& database, const char* key) {
  auto row = database.prepare(fmt::format("SELECT value FROM state WHERE key = '{}'", key));
  if (!row) return row.error();
  const auto found = row->step();
  if (!found) return found.error();
  std::vector<std::int64_t> numbers;
  std::istringstream text(*found ? std::string(row->bytes(0)) : std::string());
  for (std::string number; std::getline(text, number, ',');) {
    numbers.push_back(std::strtoll(number.c_str(), nullptr, 10));
    if (numbers.back() <= 0) return std::vector<std::int64_t>();
  }
  return numbers;
}

Status create_file(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode)) return Error{"the store " + path + " is no regular file; give another path"};
    return Ok{};
  }
  const Fd file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid() && errno != EEXIST) return system_error("create the store " + path);
  return Ok{};
}

// A store from elsewhere may be readable to all. By name: closing a descriptor of an open database would drop SQLite's
// locks on it.
Status keep_private(const std::string& path) {
  for (const char* suffix : kSuffixes) {
    const std::string file = path + suffix;
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0) {
      if (errno == ENOENT) continue;
      return system_error("look at the store's " + file);
    }
    if (!S_ISREG(status.st_mode)) return Error{"the store's " + file + " is no regular file; give another path"};
    if ((status.st_mode & 077) == 0) continue;
    if (::chmod(file.c_str(), S_IRUSR | S_IWUSR) != 0) {
      return system_error("take others' rights away from the store " + file);
    }
  }
  return Ok{};
}

// On a file of its own: a database may be moved aside, and to close a descriptor of one would drop SQLite's locks.
Result<Fd> lock_out_others(const std::string& path) {
  const std::string file = path + ".lock";
  Fd lock(::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!lock.valid()) return system_error("open the store's " + file);
  struct stat status {};
  if (::fstat(lock.get(), &status) != 0) return system_error("look at the store's " + file);
  if (!S_ISREG(status.st_mode)) return Error{"the store's " + file + " is no regular file; give another path"};
  // Whoever may open it can hold it.
  if ((status.st_mode & 077) != 0 && ::fchmod(lock.get(), S_IRUSR | S_IWUSR) != 0) {
    return system_error("take others' rights away from the store's " + file);
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return system_error("lock the store's " + file);
  return Error{"the store " + path + ": another Outrider writes to it; give this one a path of its own", kTaken};
}

// Whether the file says of itself that it is a store. Without a look at the log, and so without one coming into being:
// it would get the rights that the file has. False as well if it cannot be told.
bool is_known_store(const std::string& path) {
  const auto database = Database::open(path, Database::Mode::kImmutable, 0);
  if (!database) return false;
  const auto application = database->number("PRAGMA application_id");
  return application && application->value_or(0) == kApplicationId;
}

// From `version` to kSchemaVersion, all in one transaction; 0 is a new file.
Status migrate(Database& database, std::int64_t version, const std::string& steps) {
  if (version == kSchemaVersion) return Ok{};
  const std::string first = fmt::format("{} INSERT INTO state VALUES('{}', '{}'); PRAGMA application_id = {};", kCreate,
                                        kStepsKey, steps, kApplicationId);
  const std::string body =
      fmt::format("BEGIN IMMEDIATE; {} {} {} PRAGMA user_version = {}; COMMIT", version == 0 ? first : "",
                  version < kFirstWithStatements ? kCreateStatements : "", kAddSessions, kSchemaVersion);
  Status done = database.execute(body);
  if (!done) (void)database.execute("ROLLBACK");
  return done;
}

}  // namespace

bool is_refusal(const Error& error) { return error.code == kRefusal; }
bool is_taken(const Error& error) { return error.code == kTaken; }

Result<std::vector<std::int64_t>> read_steps(const Database& database) {
  auto steps = read_numbers(database, kStepsKey);
  if (steps && steps->empty()) return Error{"the store does not say what steps it keeps; move it away"};
  return steps;
}

Result<std::vector<std::int64_t>> read_rolled_until(const Database& database) {
  return read_numbers(database, kRolledKey);
}

Result<WritableFile> open_for_writing(const StoreOptions& options) {
  const std::string& path = options.path;
  std::vector<std::int64_t> steps_wanted;
  for (const Tier& tier : options.tiers) steps_wanted.push_back(tier.step_ms);
  const std::string wanted = joined(steps_wanted);
  if (Status created = create_file(path); !created) return created.error();
  if (is_known_store(path)) {
    if (Status kept = keep_private(path); !kept) return kept.error();
  }
  auto database = Database::open(path, Database::Mode::kReadWrite, options.busy_timeout_ms);
  if (!database) return database.error();
  const auto version = check_version(*database, path);
  if (!version) return version.error();
  // Not before: beside what is refused nothing is left.
  auto lock = lock_out_others(path);
  if (!lock) return lock.error();
  // Once more: of a file that was never closed, only its log may say what it is.
  if (Status kept = keep_private(path); !kept) return kept.error();
  // So that it can shrink. Once there is something in the file, only a VACUUM could change that.
  if (Status set = *version == 0 ? database->execute("PRAGMA auto_vacuum = INCREMENTAL") : Ok{}; !set) {
    return set.error();
  }
  // The log is cut back after each checkpoint, and synced with it: a power cut loses the last seconds, no more.
  Status tuned = database->execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304;"
      "PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY");
  if (!tuned) return tuned.error();
  if (Status migrated = migrate(*database, *version, wanted); !migrated) return migrated.error();
  // Steps of two lengths in one tier would make every window over both wrong.
  const auto steps = read_steps(*database);
  if (!steps) return steps.error();
  if (joined(*steps) != wanted) {
    return refusal(fmt::format(
        "the store {} keeps points of {} ms and the options ask for {} ms; set the steps back, or give another path",
        path, joined(*steps), wanted));
  }
  return WritableFile{std::move(*lock), std::move(*database)};
}

Result<Database> open_for_reading(const std::string& path, int busy_timeout_ms) {
  auto database = Database::open(path, Database::Mode::kReadOnly, busy_timeout_ms);
  if (!database) return database;
  auto version = check_version(*database, path);
  struct stat status {};
  if (!version && !is_corruption(version.error()) && !is_refusal(version.error()) &&
      ::stat((path + "-wal").c_str(), &status) != 0) {
    // Nobody writes, and the log's index cannot be made here (a read-only directory): the file alone is everything.
    database = Database::open(path, Database::Mode::kImmutable, busy_timeout_ms);
    if (!database) return database;
    version = check_version(*database, path);
  }
  if (!version) return version.error();
  if (*version == 0) return Error{"the store " + path + " is empty: nothing has been written to it yet"};
  if (Status tuned = database->execute("PRAGMA cache_size = -4096"); !tuned) return tuned.error();
  return database;
}

Status move_aside(const std::string& path, std::int64_t now_ms) {
  // Another one may have begun anew already.
  const auto lock = lock_out_others(path);
  if (!lock) return lock.error();
  struct stat status {};
  const auto taken = [&](const char* suffix) {
    return ::lstat(fmt::format("{}.corrupt-{}{}", path, now_ms, suffix).c_str(), &status) == 0;
  };
  while (std::any_of(kSuffixes.begin(), kSuffixes.end(), taken)) ++now_ms;
  // The log goes first: left behind, it would be taken for the new file's.
  for (const char* suffix : {"-wal", "-shm", ""}) {
    const std::string from = path + suffix;
    const std::string to = fmt::format("{}.corrupt-{}{}", path, now_ms, suffix);
    if (std::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
      return system_error("move the corrupt store " + from + " aside");
    }
  }
  return Ok{};
}

std::int64_t file_bytes(const std::string& path) {
  std::int64_t bytes = 0;
  for (const char* suffix : kSuffixes) bytes += size_of(path + suffix);
  return bytes;
}

std::int64_t log_bytes(const std::string& path) { return size_of(path + "-wal"); }

}  // namespace outrider
