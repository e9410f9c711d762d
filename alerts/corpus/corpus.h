// A made query engine, second by second, with labelled faults: what detectors are tuned on and measured with. Each
// (scenario, seed) always gives the same rows. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "userspace/detect/detector.h"

namespace outrider {

/// A fault that a detector should find within `deadline` seconds. Times are seconds since the begin of the run.
struct LabelledEvent {
  int begin = 0, end = 0;
  int deadline = 0;
  int forgiven_until = 0;  ///< alerts that open up to then count neither for nor against a detector
};

struct Scenario {
  std::string name;
  bool normal = true;  ///< every alert is false
  int seconds = 0;
  int scored_from = 0;
};

/// Parameters of an engine, drawn from the seed. `stress`: small, noisy, with heavy tails.
struct Nuisance {
  double lambda = 0, hit_ms = 0, miss_ms = 0, sigma = 0, heavy_share = 0, heavy_alpha = 0;
  double ar_sigma = 0, hiccup_gap_low = 0, hiccup_gap_high = 0, rho = 0, memory_mb = 0, dispersion = 0;
  double hit_rate = 0, error_rate = 0;
};

class Run {
 public:
  Run(const Scenario& scenario, std::uint64_t seed, bool stress);
  ~Run();
  Run(Run&&) noexcept;
  Run& operator=(Run&&) = delete;

  /// The rows of seconds 0, 1, 2, ...
  DetectorSample next();
  [[nodiscard]] const std::vector<LabelledEvent>& events() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

std::vector<Scenario> normal_scenarios();
std::vector<Scenario> event_scenarios();

}  // namespace outrider
