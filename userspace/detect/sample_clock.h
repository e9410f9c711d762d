// The times of samples: whether the clock was set, and whether nobody looked for a while. Not thread-safe.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace outrider {

class SampleClock {
 public:
  static constexpr std::int64_t kLongestGapMs = 60'000;

  struct Step {
    bool repeated = false;      ///< the time of the last sample once more
    std::int64_t shift_ms = 0;  ///< by which remembered times have to move: below 0, the clock went back; above, a gap
  };

  /// Remembered times that have moved are an interval from `now_ms`, as if the clock had not been set and the time
  /// that nobody saw had not been.
  Step advance(std::int64_t now_ms, double interval_seconds) {
    const std::int64_t interval_ms = std::max<std::int64_t>(1, std::llround(interval_seconds * 1000));
    const std::int64_t last_ms = last_ms_;
    last_ms_ = now_ms;
    if (last_ms == 0) return {};
    const std::int64_t passed_ms = now_ms - last_ms;
    if (passed_ms == 0) return {true, 0};
    if (passed_ms > 0 && passed_ms <= std::max(kLongestGapMs, 10 * interval_ms)) return {};
    return {false, passed_ms - interval_ms};
  }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.last_ms_);
  }

 private:
  std::int64_t last_ms_ = 0;  ///< 0: there was none
};

}  // namespace outrider
