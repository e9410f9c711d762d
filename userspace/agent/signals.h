// Signals as events that a loop waits for together with its next deadline. Not thread-safe.
#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>

#include "userspace/base/fd.h"

namespace outrider {

class Signals {
 public:
  /// Blocks `numbers` for this thread and those that it starts, so it comes before the first of them. What nohup or a
  /// shell's & made us ignore stays ignored. Writing to a closed pipe or socket is an error from now on, not the end.
  explicit Signals(std::initializer_list<int> numbers);

  /// The signal that came before the deadline, or came earlier and was not asked for yet; none: the deadline is over.
  [[nodiscard]] std::optional<int> wait_until(std::chrono::steady_clock::time_point deadline) const;

  /// Readable once one has come, for who waits for other things too.
  [[nodiscard]] int descriptor() const { return fd_.get(); }

 private:
  Fd fd_;
};

}  // namespace outrider
