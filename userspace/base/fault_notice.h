// What is said about a fault that may come back each second. Not thread-safe.
#pragma once

#include <chrono>
#include <optional>

namespace outrider {

/// Once that it began and once that it ended; and one that comes and goes is not announced more than once a minute.
class FaultNotice {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Say { kNothing, kBegan, kEnded };

  Say observe(bool failed, Clock::time_point now) {
    if (failed == announced_) return Say::kNothing;
    if (!failed) {
      announced_ = false;
      return Say::kEnded;
    }
    if (last_announced_ && now - *last_announced_ < std::chrono::minutes(1)) return Say::kNothing;
    announced_ = true;
    last_announced_ = now;
    return Say::kBegan;
  }

 private:
  bool announced_ = false;
  std::optional<Clock::time_point> last_announced_;
};

}  // namespace outrider
