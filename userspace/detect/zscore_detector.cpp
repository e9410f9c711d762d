#include "userspace/detect/zscore_detector.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace outrider {

void ZscoreDetector::observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) {
  if (sample.time_ms <= last_ms_) return;
  last_ms_ = sample.time_ms;
  score_ = 0;
  std::optional<Finding> finding;
  if (sample.avg_response_time_seconds) {
    const double value = *sample.avg_response_time_seconds;
    const std::size_t used = std::min(count_, kWindow);
    if (used >= kLeast) {
      const auto end = past_.begin() + static_cast<std::ptrdiff_t>(used);
      const auto n = static_cast<double>(used);
      const double mean = std::accumulate(past_.begin(), end, 0.0) / n;
      const double squares = std::accumulate(
          past_.begin(), end, 0.0, [mean](double sum, double past) { return sum + (past - mean) * (past - mean); });
      const double sigma = std::sqrt(squares / n);
      // What rounding leaves of a constant is no deviation.
      const double rounding = 1e-9 * std::abs(mean);
      const double difference = std::abs(value - mean);
      if (difference > rounding) score_ = sigma > rounding ? std::min(kCap, difference / sigma) : kCap;
      if (score_ > kThreshold) finding = Finding{value, mean, score_, sample.time_ms};
    }
    past_[count_++ % kWindow] = value;
  }
  incident_.update(sample.time_ms, finding, events);
}

}  // namespace outrider
