// The mission's rule: a snapshot whose figure lies more than two standard deviations from the mean of those before it,
// of which there must be at least 30. It is here for comparison and for those who ask for it: on 46 normal days it
// raises hundreds of false alerts a day.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "userspace/detect/detector.h"
#include "userspace/detect/incident.h"
#include "userspace/detect/sample_clock.h"

namespace outrider {

class ZscoreDetector : public Detector {
 public:
  static constexpr std::size_t kLeast = 30;
  static constexpr std::size_t kWindow = 300;
  static constexpr double kThreshold = 2;
  /// The score of a difference from a figure that never changed.
  static constexpr double kCap = 100;

  void observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) override;
  void went_down() override { state_.incident.forget(); }
  [[nodiscard]] std::string serialise() const override;
  Status restore(std::string_view text) override;
  [[nodiscard]] std::size_t state_bytes() const override { return sizeof *this; }

  /// Of the last sample, in standard deviations; 0 before there are kLeast.
  [[nodiscard]] double score() const { return score_; }

 private:
  struct State {
    std::array<double, kWindow> past{};  ///< ring
    std::size_t count = 0;
    SampleClock clock;
    Incident incident{"zscore", "query_metrics.avg_response_time_seconds", true, 0};  ///< each snapshot by itself

    template <typename Self, typename Visitor>
    static void visit(Self& self, Visitor& state) {
      state(self.past, self.count, self.clock, self.incident);
    }
  };

  State state_;
  double score_ = 0;
};

}  // namespace outrider
