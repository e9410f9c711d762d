// What the agent measures of itself: its CPU, its memory, how late its readings come and how long they take. Not
// thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "userspace/model/agent_figures.h"
#include "userspace/service/schedule.h"

namespace outrider {

class SelfMeter {
 public:
  using Clock = std::chrono::steady_clock;

  /// A round that was due, and began.
  void began(const Schedule::Due& due);
  /// How long it took.
  void ended(Clock::duration took);

  /// Fills in age, CPU, memory and time keeping.
  void fill(AgentFigures& figures) const;

 private:
  static constexpr std::size_t kLags = 300;

  Clock::time_point start_ = Clock::now();
  std::uint64_t intervals_ = 0, missed_ = 0;
  SparseHistogram lag_;
  double lag_seconds_ = 0, reading_seconds_ = 0, reading_seconds_total_ = 0;
  std::array<double, kLags> last_lags_{};  ///< ring; by round
  std::uint64_t rounds_ = 0;
};

}  // namespace outrider
