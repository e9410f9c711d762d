// A file that lines are appended to. What an append cannot write is the caller's to keep.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"

namespace outrider {

/// Appends lines to a file, mode 0640, or to stdout ("-"). A file that was rotated, that is moved or removed, is made
/// anew. Not thread-safe.
class LineFile {
 public:
  explicit LineFile(std::string path) : path_(std::move(path)) {}

  /// `lines` end in a newline. What a full disk cuts off is taken back, so that no half line stays; where it cannot be
  /// taken back (a pipe), a newline comes before the next lines. Errors: no such directory, disk full and so on.
  Status append(std::string_view lines);
  /// From the next lines on; nothing happens if it is the same.
  void change_path(const LineFile& other);

 private:
  Status open_if_needed();
  Status write_all(int file, std::string_view text);
  void take_back(int file, std::size_t written);

  std::string path_;
  Fd file_;
  bool mid_line_ = false;
};

}  // namespace outrider
