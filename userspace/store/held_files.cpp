#include "userspace/store/held_files.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace outrider {
namespace {

// Neither SQLite's numbers nor those of schema.cpp.
constexpr int kLost = -3, kPartElsewhere = -4;

constexpr const char* kLogSuffixes[] = {"-wal", "-shm"};

}  // namespace

bool is_out_of_place(const Error& error) { return error.code == kLost || error.code == kPartElsewhere; }
bool is_history_lost(const Error& error) { return error.code == kLost; }

Result<HeldFiles> HeldFiles::look(const std::string& path, const Database& database, const Fd& lock) {
  HeldFiles held;
  held.path_ = path;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return held.elsewhere("");
  held.files_.push_back({"", status.st_dev, status.st_ino});
  // After the look: whatever came to the path between it and the opening is no file that is written.
  if (database.has_moved()) return held.elsewhere("");
  for (const char* suffix : kLogSuffixes) {
    // A file system that cannot map files has no such log.
    if (::stat((path + suffix).c_str(), &status) == 0) held.files_.push_back({suffix, status.st_dev, status.st_ino});
  }
  if (::fstat(lock.get(), &status) == 0) held.files_.push_back({".lock", status.st_dev, status.st_ino});
  if (Status there = held.check(); !there) return there.error();
  return held;
}

// False as well where it cannot be told, as in a directory that may no longer be searched: what is open is still
// written there.
bool HeldFiles::is_elsewhere(const File& file) const {
  struct stat status {};
  if (::stat((path_ + file.suffix).c_str(), &status) != 0) return errno == ENOENT || errno == ENOTDIR;
  return status.st_dev != file.device || status.st_ino != file.inode;
}

Error HeldFiles::elsewhere(const std::string& suffix) const {
  if (suffix.empty()) {
    return Error{
        fmt::format("the store {} was removed, moved or replaced while it was open: the history so far is lost "
                    "with it, and points wait until one can be opened or made there",
                    path_),
        kLost};
  }
  return Error{fmt::format("the store's {}{} was removed, moved or replaced while it was open", path_, suffix),
               kPartElsewhere};
}

Status HeldFiles::check() const {
  for (const File& file : files_) {
    if (is_elsewhere(file)) return elsewhere(file.suffix);
  }
  return Ok{};
}

// SQLite would take them for those of the file that comes, or has come, to the database's place. What is not ours may
// have come with that one.
void HeldFiles::remove_stale_log() const {
  if (files_.empty() || !is_elsewhere(files_.front())) return;
  for (const File& file : files_) {
    const bool of_log = file.suffix == kLogSuffixes[0] || file.suffix == kLogSuffixes[1];
    if (of_log && !is_elsewhere(file)) (void)::unlink((path_ + file.suffix).c_str());
  }
}

}  // namespace outrider
