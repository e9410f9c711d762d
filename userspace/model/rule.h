// What somebody wants to be told of: a figure of a snapshot that is beyond a threshold for some time. Plain data.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrider {

enum class Severity { kInfo, kWarning, kCritical, kEmergency };

const char* name_of(Severity severity);
/// None for a word that is none of info, warning, critical, emergency.
std::optional<Severity> severity_of(std::string_view name);

/// A condition that has a name of its own stands for a figure and a direction.
struct Condition {
  std::string name;
  std::string field;  ///< of a snapshot
  bool above = true;  ///< false: a breach is below the threshold

  bool operator==(const Condition&) const = default;
};

/// response_time_high, error_rate_high, cpu_usage_high, memory_usage_high, cache_hit_rate_low, throughput_low,
/// concurrent_queries_high.
const std::vector<Condition>& known_conditions();
/// Null for a name that there is not.
const Condition* find_condition(std::string_view name);

struct Rule {
  std::string id;    ///< what a trigger carries; unique
  std::string name;  ///< for people; unique
  Condition condition;
  double threshold = 0;               ///< in the field's unit
  bool absent = false;                ///< a breach is that the figure cannot be had; threshold and clear mean nothing
  std::optional<double> clear;        ///< over once the figure is on the other side of this; none: of the threshold
  std::chrono::milliseconds hold{0};  ///< `for`: breached all this time
  std::chrono::milliseconds clear_for{0};  ///< over only after it was over all this time, so that it does not flap
  std::uint64_t least_queries = 0;         ///< in the interval; with fewer the figure says nothing
  Severity severity = Severity::kWarning;
  std::vector<std::string> targets;  ///< shell patterns of names; empty: all
  /// Shell patterns of query types, each of which is judged by itself; empty: the target as a whole.
  std::vector<std::string> types;
  std::map<std::string, std::string> labels;
  std::string annotation;  ///< what to do, for whoever is called; may be empty

  bool operator==(const Rule&) const = default;
};

}  // namespace outrider
