// What is not to be told for a while, and the file that it is kept in: JSON, mode 0600, written as a whole under a
// lock. Times are Unix milliseconds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/notice.h"

namespace outrider {

/// Patterns are the shell's; an empty one fits everything.
struct Silence {
  std::string id;
  std::string rule;  ///< of a rule's id or name, or of a detector's arm
  std::string target;
  std::string type;  ///< of a query type: does not fit an incident of the target as a whole
  std::int64_t begin_ms = 0;
  std::int64_t until_ms = 0;
  std::string comment;

  bool operator==(const Silence&) const = default;
};

/// Whether `silence` is on at `now_ms` and fits. Pure.
bool silences(const Silence& silence, const Notice& notice, std::int64_t now_ms);

/// No such file: none. Error: unreadable, or not what change_silences() writes.
Result<std::vector<Silence>> read_silences(const std::string& path);

/// Hands what is in the file to `change` and writes what it made of it, while no other process can. Error: that of
/// `change` (nothing is written then), or of the file.
Status change_silences(const std::string& path, const std::function<Status(std::vector<Silence>&)>& change);

/// Reads the file again only when it was written. Not thread-safe.
class SilenceFile {
 public:
  explicit SilenceFile(std::string path) : path_(std::move(path)) {}

  /// Error: once for each state of the file that cannot be read; the silences stay as they were.
  Status refresh();
  [[nodiscard]] const std::vector<Silence>& silences() const { return silences_; }

 private:
  struct Version {
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t seconds = 0, nanoseconds = 0;
    bool operator==(const Version&) const = default;
  };

  Status say_once(const Error& error);

  std::string path_;
  std::optional<Version> read_;  ///< none: no file, or never read
  std::string said_;             ///< the last error
  std::vector<Silence> silences_;
};

}  // namespace outrider
