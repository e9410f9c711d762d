// Whether something is going to be full: a steady growth of floors (floor_trend.h) that reaches the limit within four
// hours, said with the time that is left. Growth that slows down, as of a cache that fills, is none. Constant memory,
// not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "userspace/detect/floor_trend.h"
#include "userspace/detect/incident.h"

namespace outrider {

class Exhaustion {
 public:
  /// Borrowed, with static lifetime.
  explicit Exhaustion(const char* metric) : incident_("exhaustion", metric) {}

  /// `value` and `limit` in the metric's unit. Events: expected is what it was 21 minutes ago.
  void observe(std::int64_t now_ms, double value, double limit, std::vector<IncidentEvent>& events);
  /// What came before an interruption is no part of a trend.
  void restart() { trend_ = {}; }
  void forget_evidence() {
    finding_.reset();
    incident_.forget();
  }

  /// Until it is full, if it goes on growing as it does; of the last finding.
  [[nodiscard]] double left_seconds() const { return left_seconds_; }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.trend_, self.incident_, self.finding_, self.left_seconds_);
  }

 private:
  FloorTrend trend_;
  Incident incident_;
  std::optional<Finding> finding_;
  double left_seconds_ = 0;
};

}  // namespace outrider
