// When a target was started anew, told from its history: the age of its oldest process falls, or it was down before.
// Plain code, not thread-safe. Times are Unix milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "userspace/model/point.h"

namespace outrider {

class Restarts {
 public:
  /// The gauge that add() needs.
  static constexpr const char* kGauge = "target_metrics.uptime_seconds";

  /// `now_ms` is where a step that is not over ends for now.
  explicit Restarts(std::int64_t now_ms) : now_ms_(now_ms) {}

  /// Steps in ascending order, with availability. Starts closer together than a step are one, and a start in a step in
  /// which the process before it was older at the end than the new one is found with the next step.
  void add(const Point& point);

  /// Starts after the first step with anything in it, ascending, to within the interval of the readings: of what
  /// already ran when the history begins it is not known whether it ran before.
  [[nodiscard]] const std::vector<std::int64_t>& times() const { return times_; }

 private:
  void add_start(std::int64_t start_ms, std::int64_t step_ms);

  std::int64_t now_ms_;
  std::vector<std::int64_t> times_;
  bool down_ = false;                     ///< seen, since the last step with an age
  std::optional<double> age_;             ///< the greatest of the last step with one, in seconds
  std::optional<std::int64_t> known_ms_;  ///< begin of the last step with an age or with time that was down
};

}  // namespace outrider
