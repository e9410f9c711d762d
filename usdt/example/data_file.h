// The engine's data file: a label of 64 bytes per node, and behind them cold space that only planted reads touch. It
// is created without a name, so nothing stays behind however the engine ends. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"

namespace outrider::example {

class DataFile {
 public:
  static constexpr size_t kLabelBytes = 64;
  using Label = std::array<char, kLabelBytes>;

  /// `directory` should be on a real disk if cold space is asked for. Fails when the file cannot be made.
  static Result<DataFile> make(const std::string& directory, uint32_t labels, size_t cold_bytes);

  /// The label of a node; all zero past the end.
  [[nodiscard]] Label read_label(uint32_t node) const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The same file opened with O_DIRECT, or an error where the file system has no such thing.
  [[nodiscard]] Result<Fd> open_direct() const;
  /// The cold space, in bytes from the begin of the file; page-aligned.
  [[nodiscard]] size_t cold_begin() const { return cold_begin_; }
  [[nodiscard]] size_t cold_bytes() const { return cold_bytes_; }

 private:
  Fd fd_;
  size_t cold_begin_ = 0;
  size_t cold_bytes_ = 0;
};

}  // namespace outrider::example
