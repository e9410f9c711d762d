// Makes samples of a second or more out of shorter ones, which hold too few queries to say anything. Constant memory,
// not thread-safe.
#pragma once

#include <optional>

#include "userspace/detect/detector.h"

namespace outrider {

class SampleGatherer {
 public:
  /// A sample of a second or more comes out as it is; shorter ones together, once they are a second long: rates and
  /// the processor weighted by time, what belongs to queries by queries (an average of percentiles is no percentile,
  /// but moves with it), memory as it is at the end.
  std::optional<DetectorSample> add(const DetectorSample& sample);

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.seconds_, self.rate_, self.cpu_, self.average_, self.p95_, self.errors_, self.hits_);
  }

 private:
  struct Mean {
    double sum = 0, weight = 0;

    void add(const std::optional<double>& value, double by);
    [[nodiscard]] std::optional<double> value() const;

    template <typename Self, typename State>
    static void visit(Self& self, State& state) {
      state(self.sum, self.weight);
    }
  };

  double seconds_ = 0;
  Mean rate_, cpu_;                     ///< by time
  Mean average_, p95_, errors_, hits_;  ///< by queries
};

}  // namespace outrider
