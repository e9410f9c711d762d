// The life of an incident: opened when a test is sure, closed after a quiet minute, said again when it has become much
// worse. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/detect/detector.h"

namespace outrider {

/// What a test finds out of line now. Figures are in the metric's unit.
struct Finding {
  double value = 0, expected = 0, score = 0;
  std::int64_t since_ms = 0;

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.value, self.expected, self.score);
    state.times(self.since_ms);
  }
};

/// With the unit that the metric of this name has: "8.10 ms", "5.00 %".
std::string format_figure(const std::string& metric, double value);

class Incident {
 public:
  static constexpr std::int64_t kQuietMs = 60'000;
  static constexpr const char* kOver = "it is over";  ///< why it closes after the quiet time

  /// Borrowed texts with static lifetime; `higher`: a larger value is worse; `quiet_ms`: over after so long.
  Incident(const char* arm, const char* metric, bool higher = true, std::int64_t quiet_ms = kQuietMs)
      : arm_(arm), metric_(metric), higher_(higher), quiet_ms_(quiet_ms) {}

  void update(std::int64_t now_ms, const std::optional<Finding>& finding, std::vector<IncidentEvent>& events);
  [[nodiscard]] bool open() const { return opened_ms_.has_value(); }
  /// How long it has been open; 0 if it is not.
  [[nodiscard]] std::int64_t age_ms(std::int64_t now_ms) const { return opened_ms_ ? now_ms - *opened_ms_ : 0; }
  /// As it is now, for who did not want to hear of it when it opened.
  [[nodiscard]] IncidentEvent as_opening(std::int64_t now_ms) const {
    return event(IncidentEvent::What::kOpen, now_ms);
  }
  /// It is over, and people know: what is found from now on opens anew.
  void forget() { opened_ms_.reset(); }
  /// The new level is the normal one from now on.
  void close(std::int64_t now_ms, const std::string& why, std::vector<IncidentEvent>& events);

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.said_, self.last_);
    state.times(self.opened_ms_, self.last_seen_ms_);
  }

 private:
  [[nodiscard]] IncidentEvent event(IncidentEvent::What what, std::int64_t now_ms) const;
  [[nodiscard]] double effect(const Finding& finding) const;

  const char* arm_;
  const char* metric_;
  bool higher_;
  std::int64_t quiet_ms_;
  std::optional<std::int64_t> opened_ms_;
  std::int64_t last_seen_ms_ = 0;
  Finding said_;  ///< with the last event
  Finding last_;  ///< the newest
};

}  // namespace outrider
