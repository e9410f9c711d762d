// The health score: 100 minus a penalty for each rule that is broken, never below 0. Pure, thread-safe.
#pragma once

#include <vector>

#include "userspace/model/snapshot.h"

namespace outrider {

struct HealthRule {
  double threshold = 0;
  double penalty = 0;  ///< 0 switches the rule off
};

/// Thresholds in the units of the snapshot's fields.
struct HealthThresholds {
  HealthRule response_time_seconds{0.050, 20};  ///< mean above
  HealthRule error_rate{0.05, 30};              ///< above
  HealthRule cpu_usage{80, 15};                 ///< above; percent
  HealthRule memory_usage{0.90, 25};            ///< above
  HealthRule cache_hit_rate{0.70, 10};          ///< below
};

struct Health {
  double score = 100;
  std::vector<HealthDeduction> deductions;
};

/// What is null costs nothing: an engine without a cache or without queries is not ill. CPU and memory are those of
/// the host or of the target, whichever is tighter.
Health assess_health(const Snapshot& snapshot, const HealthThresholds& thresholds = {});

}  // namespace outrider
