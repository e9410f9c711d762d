// Latency against what it usually is at this load, on a logarithmic scale: a spike of some seconds, and a shift that
// stays. Constant memory, not thread-safe.
//
// Spike: residuals above 4 standard deviations and +40 % in 5 of 8 seconds. Shift: a one-sided CUSUM (Page, 1954) on
// medians of blocks of 10 seconds, with an allowance of 0.6 and a limit of 9 standard deviations and steps clipped
// to 4. Where samples are longer than a second, seconds stand for samples.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "userspace/detect/incident.h"
#include "userspace/detect/load_baseline.h"

namespace outrider {

struct LatencyArmOptions {
  double least_queries = 10;   ///< samples with fewer say nothing
  double shift_limit = 9;      ///< in standard deviations
  double shift_effect = 0.06;  ///< least, as a logarithm
};

struct LatencySample {
  std::int64_t now_ms = 0;
  double interval_seconds = 1;    ///< a second, or more
  double queries_per_second = 0;  ///< the load that latency goes with
  double queries = 0;             ///< in the interval
  double seconds = 0;             ///< their latency
};

class LatencyArm {
 public:
  explicit LatencyArm(const LatencyArmOptions& options) : options_(options) {}

  /// `learn`: the sample may be taken for a normal one.
  void observe(const LatencySample& sample, bool learn);

  [[nodiscard]] std::optional<Finding> spike() const { return spike_; }
  [[nodiscard]] std::optional<Finding> shift() const { return shift_; }

  /// At the load of the last sample; 0: nothing is known of it.
  [[nodiscard]] double expected_seconds() const;

  /// What is now is normal.
  void accept_level();
  /// What was seen says nothing of what is now, but for what is normal.
  void forget_evidence();

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.baseline_, self.scale_, self.seen_, self.log_queries_, self.block_, self.block_widen_, self.level_,
          self.block_scale_, self.blocks_, self.sum_, self.run_, self.run_blocks_, self.last_median_, self.open_effect_,
          self.expected_, self.spike_, self.shift_);
    state.times(self.hits_ms_, self.run_begin_ms_);
    state.index(self.next_hit_, kSpikeWindow);
    state.index(self.in_block_, kBlock);
  }

 private:
  static constexpr std::size_t kBlock = 10;
  static constexpr std::size_t kSpikeWindow = 8;

  void look_for_spike(const LatencySample& sample, double residual, double z);
  void end_block(std::int64_t now_ms, double seconds, bool learn);
  void learn_scale(double residual);

  LatencyArmOptions options_;
  LoadBaseline baseline_{1800};
  double scale_ = 0, seen_ = 0;                       ///< of a second's residual; how many were learned
  double log_queries_ = 0;                            ///< mean, to which the scale belongs
  std::array<std::int64_t, kSpikeWindow> hits_ms_{};  ///< the last seconds that stood out; a ring
  std::size_t next_hit_ = 0;
  std::array<double, kBlock> block_{};
  std::size_t in_block_ = 0;
  double block_widen_ = 0;
  double level_ = 0, block_scale_ = 0, blocks_ = 0;  ///< of blocks' medians
  double sum_ = 0;                                   ///< CUSUM
  double run_ = 0, run_blocks_ = 0;                  ///< residuals since the sum left 0
  std::int64_t run_begin_ms_ = 0;                    ///< 0: with the next sample
  double last_median_ = 0;
  double open_effect_ = 0;
  std::optional<double> expected_;  ///< at the load of the last sample, as a logarithm
  std::optional<Finding> spike_, shift_;
};

}  // namespace outrider
