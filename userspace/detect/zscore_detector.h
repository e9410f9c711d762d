// The mission's rule: a snapshot whose figure lies more than two standard deviations from the mean of those before it,
// of which there must be at least 30. It is here for comparison and for those who ask for it: on 46 normal days it
// raises hundreds of false alerts a day.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "userspace/detect/detector.h"
#include "userspace/detect/incident.h"

namespace outrider {

class ZscoreDetector : public Detector {
 public:
  static constexpr std::size_t kLeast = 30;
  static constexpr std::size_t kWindow = 300;
  static constexpr double kThreshold = 2;
  /// The score of a difference from a figure that never changed.
  static constexpr double kCap = 100;

  void observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) override;

  /// Of the last sample, in standard deviations; 0 before there are kLeast.
  [[nodiscard]] double score() const { return score_; }

 private:
  std::array<double, kWindow> past_{};  ///< ring
  std::size_t count_ = 0;
  double score_ = 0;
  std::int64_t last_ms_ = 0;
  Incident incident_{"zscore", "query_metrics.avg_response_time_seconds", true, 0};  ///< each snapshot by itself
};

}  // namespace outrider
