#include "userspace/detect/zscore_detector.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "userspace/detect/state_text.h"

namespace outrider {
namespace {

constexpr int kZscoreVersion = 2;

}  // namespace

void ZscoreDetector::observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) {
  const SampleClock::Step step = state_.clock.advance(sample.time_ms, sample.seconds);
  if (step.repeated) return;
  if (step.shift_ms != 0) {
    ClockShift shift(step.shift_ms);
    State::visit(state_, shift);
  }
  score_ = 0;
  std::optional<Finding> finding;
  if (sample.avg_response_time_seconds && std::isfinite(*sample.avg_response_time_seconds)) {
    const double value = *sample.avg_response_time_seconds;
    const std::size_t used = std::min(state_.count, kWindow);
    if (used >= kLeast) {
      const auto end = state_.past.begin() + static_cast<std::ptrdiff_t>(used);
      const auto n = static_cast<double>(used);
      const double mean = std::accumulate(state_.past.begin(), end, 0.0) / n;
      const double squares = std::accumulate(state_.past.begin(), end, 0.0, [mean](double sum, double past) {
        return sum + (past - mean) * (past - mean);
      });
      const double sigma = std::sqrt(squares / n);
      // What rounding leaves of a constant is no deviation.
      const double rounding = 1e-9 * std::abs(mean);
      const double difference = std::abs(value - mean);
      if (difference > rounding) score_ = sigma > rounding ? std::min(kCap, difference / sigma) : kCap;
      if (score_ > kThreshold) finding = Finding{value, mean, score_, sample.time_ms};
    }
    state_.past[state_.count++ % kWindow] = value;
  }
  state_.incident.update(sample.time_ms, finding, events);
}

std::string ZscoreDetector::serialise() const { return state_text(state_, kZscoreVersion); }

Status ZscoreDetector::restore(std::string_view text) { return restore_state(text, kZscoreVersion, state_); }

}  // namespace outrider
