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

std::vector<Rule> default_rules() {
  using std::chrono::seconds;
  const auto rule = [](const char* name, const char* condition, double threshold, seconds hold, Severity severity) {
    Rule made;
    made.id = condition;
    made.name = name;
    made.condition = *find_condition(condition);
    made.threshold = threshold;
    made.hold = hold;
    made.severity = severity;
    return made;
  };
  return {rule("High Response Time", "response_time_high", 0.100, seconds(30), Severity::kWarning),
          rule("High Error Rate", "error_rate_high", 0.05, seconds(60), Severity::kCritical),
          rule("High CPU Usage", "cpu_usage_high", 80, seconds(120), Severity::kWarning)};
}

}  // namespace outrider
