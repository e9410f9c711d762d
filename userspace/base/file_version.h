// Which content of a file it is, for those who keep something that was read from it.
#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "userspace/base/fd.h"

namespace outrider {

/// Two looks that agree have seen the same content, unless somebody has set the times back.
struct FileVersion {
  std::int64_t size = 0;
  std::int64_t seconds = 0, nanoseconds = 0;  ///< since it was last written, Unix time

  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

inline FileVersion file_version(const struct stat& status) {
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

/// That of no file if it cannot be looked at.
inline FileVersion file_version(const Fd& fd) {
  struct stat status {};
  return fd.valid() && fstat(fd.get(), &status) == 0 ? file_version(status) : FileVersion{};
}

}  // namespace outrider
