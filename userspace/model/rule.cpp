#include "userspace/model/rule.h"

#include <algorithm>

namespace outrider {

const char* name_of(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kCritical:
      return "critical";
    case Severity::kEmergency:
      break;
  }
  return "emergency";
}

std::optional<Severity> severity_of(std::string_view name) {
  for (const Severity each : {Severity::kInfo, Severity::kWarning, Severity::kCritical, Severity::kEmergency}) {
    if (name == name_of(each)) return each;
  }
  return std::nullopt;
}

const std::vector<Condition>& known_conditions() {
  static const std::vector<Condition> kConditions = {
      {"response_time_high", "query_metrics.avg_response_time_seconds", true},
      {"error_rate_high", "query_metrics.error_rate", true},
      {"cpu_usage_high", "system_metrics.cpu_usage", true},
      {"memory_usage_high", "system_metrics.memory_usage", true},
      {"cache_hit_rate_low", "cache_metrics.hit_rate", false},
      {"throughput_low", "query_metrics.queries_per_second", false},
      {"concurrent_queries_high", "query_metrics.current_concurrent", true},
  };
  return kConditions;
}

const Condition* find_condition(std::string_view name) {
  const auto& all = known_conditions();
  const auto found = std::find_if(all.begin(), all.end(), [name](const Condition& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace outrider
