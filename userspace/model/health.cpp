#include "userspace/model/health.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace outrider {
namespace {

std::optional<double> larger(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return a ? a : b;
  return std::max(*a, *b);
}

void deduct(Health& health, bool broken, std::string rule, double value, const HealthRule& limit) {
  if (!broken || limit.penalty <= 0) return;
  health.score = std::max(0.0, health.score - limit.penalty);
  health.deductions.push_back({std::move(rule), value, limit.threshold, limit.penalty});
}

void above(Health& health, const char* rule, std::optional<double> value, const HealthRule& limit) {
  if (value) deduct(health, *value > limit.threshold, rule, *value, limit);
}

}  // namespace

Health assess_health(const Snapshot& snapshot, const HealthThresholds& thresholds) {
  Health health;
  const QueryMetrics& queries = snapshot.query_metrics;
  const ResourceMetrics& host = snapshot.system_metrics;
  const ResourceMetrics& target = snapshot.target_metrics;
  above(health, "response_time", queries.avg_response_time_seconds, thresholds.response_time_seconds);
  above(health, "error_rate", queries.error_rate, thresholds.error_rate);
  above(health, "cpu_usage", larger(host.cpu_usage, target.cpu_usage), thresholds.cpu_usage);
  above(health, "memory_usage", larger(host.memory_usage, target.memory_usage), thresholds.memory_usage);
  if (const auto hit_rate = snapshot.cache_metrics.hit_rate) {
    deduct(health, *hit_rate < thresholds.cache_hit_rate.threshold, "cache_hit_rate", *hit_rate,
           thresholds.cache_hit_rate);
  }
  return health;
}

}  // namespace outrider
