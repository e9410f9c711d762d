// Writes a file for node_exporter's textfile collector so that a reader never sees half of it: a temporary file in
// the same directory, flushed to disk, then renamed over the old one. On any failure the old file stays. Owns the
// directory's descriptor, so a directory that is moved or replaced meanwhile is not followed. Not thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"

namespace outrider {

class TextfileWriter {
 public:
  /// Opens the directory of `path` and removes what an earlier, killed agent left there. Errors: no such directory,
  /// a symbolic link in its place, writable for everybody without the sticky bit, not writable for the agent, `path`
  /// is a directory.
  static Result<TextfileWriter> make(const std::string& path);

  /// Replaces the file, mode 0644. Errors: disk full, no permission and so on, with the path.
  Status write(std::string_view text);

  /// Takes the file away; none is there: that is well. Errors: no permission and so on, with the path.
  [[nodiscard]] Status remove() const;

 private:
  TextfileWriter(Fd directory, std::string path, std::string name)
      : directory_(std::move(directory)), path_(std::move(path)), name_(std::move(name)) {}

  void remove_leftovers() const;
  [[nodiscard]] Status replace(const Fd& file, const std::string& temporary, std::string_view text) const;

  Fd directory_;
  std::string path_;
  std::string name_;
};

}  // namespace outrider
