// Keeps the probes inside a budget by giving up, in this order: cache and phase probes on a duty cycle, start probes
// (light), then a duty cycle for the query probes too. Decides from figures alone; attaching is the caller's.
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "userspace/agent/price.h"
#include "userspace/model/snapshot_builder.h"

namespace outrider {

/// How much is given up; each level includes the ones before it.
enum class ShedLevel { kNothing, kCacheDuty, kLight, kQueryDuty };

struct ShedOptions {
  std::optional<double> budget_percent = 3;  ///< of the target's CPU; none: never shed
  bool may_go_light = true;                  ///< the end probe carries the duration
  ShedLevel floor = ShedLevel::kNothing;     ///< `--mode light` begins at kLight and never comes back
  bool fixed = false;                        ///< `--mode full|light`: the user's choice, nothing is shed
};

/// What the probes are to do in the next interval.
struct ProbePlanForInterval {
  ProbeMode mode = ProbeMode::kFull;  ///< kPaused: no query probes
  bool cache = true;                  ///< cache and phase probes attached
  friend bool operator==(const ProbePlanForInterval&, const ProbePlanForInterval&) = default;
};

class Shedder {
 public:
  explicit Shedder(const ShedOptions& options);

  /// An engine whose ends carry no duration has appeared, or none has.
  void set_may_go_light(bool may) { options_.may_go_light = may; }

  /// What to attach for the next interval.
  [[nodiscard]] ProbePlanForInterval plan() const;

  /// One interval under plan() has passed: what it cost, by kind of work, and the CPU the target used. Returns a
  /// sentence when the level changed.
  std::optional<std::string> observe(const std::array<double, OUTRIDER_RUNS>& cost_ns, double target_cpu_ns);

  [[nodiscard]] ShedLevel level() const { return level_; }
  /// Intervals in one cycle of the query probes' duty, one of which they are attached in.
  [[nodiscard]] unsigned query_cycle() const { return query_cycle_; }

  static constexpr unsigned kCacheCycle = 8;  ///< intervals in one cycle of cache and phase probes
  /// Where a probe hit is dear and queries are tiny, probes can take most of the CPU while they are attached: a
  /// hundredth of that is inside any budget that one would set.
  static constexpr unsigned kMaxQueryCycle = 100;
  static constexpr unsigned kPatience = 2;       ///< intervals over budget before something is given up
  static constexpr unsigned kRecovery = 10;      ///< intervals well inside it before something comes back
  static constexpr double kRecoveryShare = 0.7;  ///< of the budget that the level above may be expected to cost

 private:
  struct Shares {  ///< percent of the target's CPU when attached all the time
    double cache = 0, start = 0, end = 0;
  };
  [[nodiscard]] double expected(ShedLevel level) const;
  [[nodiscard]] ShedLevel next_level() const;
  [[nodiscard]] ShedLevel previous_level() const;
  std::string change_to(ShedLevel level, double percent);
  void learn(const std::array<double, OUTRIDER_RUNS>& cost_ns, double target_cpu_ns);

  ShedOptions options_;
  ShedLevel level_ = ShedLevel::kNothing;
  Shares shares_;
  unsigned query_cycle_ = 1;
  unsigned interval_ = 0;
  unsigned over_ = 0;
  unsigned inside_ = 0;
};

}  // namespace outrider
