// Which files a store has opened, and whether its path still leads to them. SQLite does not look: it goes on writing to
// a file that was removed, without an error. Internal to store/. Not thread-safe; a copy is as good.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"
#include "userspace/store/database.h"

namespace outrider {

/// Whether `error`, from here, says that the path leads to other files than those that are open, or to none. They are
/// to be closed, and all of them opened anew.
bool is_out_of_place(const Error& error);
/// Whether the database itself is among them, so that what was written is not to be found there any more.
bool is_history_lost(const Error& error);

class HeldFiles {
 public:
  HeldFiles() = default;
  /// Those of `path`, which are open: the database, its log with the index, and the lock. Error: as check()'s.
  static Result<HeldFiles> look(const std::string& path, const Database& database, const Fd& lock);

  /// Error: which of them was removed, moved or replaced, and what that costs (is_out_of_place()).
  [[nodiscard]] Status check() const;
  /// If the database is out of its place: removes the log and its index where they are left.
  void remove_stale_log() const;

 private:
  struct File {
    std::string suffix;
    dev_t device = 0;
    ino_t inode = 0;
  };

  [[nodiscard]] bool is_elsewhere(const File& file) const;
  [[nodiscard]] Error elsewhere(const std::string& suffix) const;

  std::string path_;
  std::vector<File> files_;  ///< the database first
};

}  // namespace outrider
