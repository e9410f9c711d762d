#include "userspace/cli/snapshot_figures.h"

#include <algorithm>
#include <cmath>

namespace outrider {
namespace {

using Figure = std::optional<double>;

struct Settable {
  std::string_view name;
  void (*set)(Snapshot&, Figure);
};

std::uint64_t whole(Figure value) { return static_cast<std::uint64_t>(std::llround(std::max(value.value_or(0), 0.0))); }

const Settable kSettable[] = {
    {"query_metrics.interval_queries", [](Snapshot& s, Figure v) { s.query_metrics.interval_queries = whole(v); }},
    {"query_metrics.queries_per_second",
     [](Snapshot& s, Figure v) { s.query_metrics.queries_per_second = v.value_or(0); }},
    {"query_metrics.success_rate", [](Snapshot& s, Figure v) { s.query_metrics.success_rate = v; }},
    {"query_metrics.error_rate", [](Snapshot& s, Figure v) { s.query_metrics.error_rate = v; }},
    {"query_metrics.avg_response_time_seconds",
     [](Snapshot& s, Figure v) { s.query_metrics.avg_response_time_seconds = v; }},
    {"query_metrics.p50_response_time_seconds",
     [](Snapshot& s, Figure v) { s.query_metrics.p50_response_time_seconds = v; }},
    {"query_metrics.p95_response_time_seconds",
     [](Snapshot& s, Figure v) { s.query_metrics.p95_response_time_seconds = v; }},
    {"query_metrics.p99_response_time_seconds",
     [](Snapshot& s, Figure v) { s.query_metrics.p99_response_time_seconds = v; }},
    {"query_metrics.current_concurrent",
     [](Snapshot& s, Figure v) {
       s.query_metrics.current_concurrent = v ? std::optional<std::int64_t>(std::llround(*v)) : std::nullopt;
     }},
    {"query_metrics.oldest_in_flight_seconds",
     [](Snapshot& s, Figure v) { s.query_metrics.oldest_in_flight_seconds = v; }},
    {"cache_metrics.hit_rate", [](Snapshot& s, Figure v) { s.cache_metrics.hit_rate = v; }},
    {"system_metrics.cpu_usage", [](Snapshot& s, Figure v) { s.system_metrics.cpu_usage = v; }},
    {"system_metrics.memory_usage", [](Snapshot& s, Figure v) { s.system_metrics.memory_usage = v; }},
    {"system_metrics.memory_used_mb", [](Snapshot& s, Figure v) { s.system_metrics.memory_used_mb = v; }},
    {"target_metrics.cpu_usage", [](Snapshot& s, Figure v) { s.target_metrics.cpu_usage = v; }},
    {"target_metrics.memory_usage", [](Snapshot& s, Figure v) { s.target_metrics.memory_usage = v; }},
    {"target_metrics.memory_used_mb", [](Snapshot& s, Figure v) { s.target_metrics.memory_used_mb = v; }},
    {"target_metrics.disk_usage", [](Snapshot& s, Figure v) { s.target_metrics.disk_usage = v; }},
};

}  // namespace

bool set_figure(Snapshot& snapshot, std::string_view name, std::optional<double> value) {
  const auto* const end = std::end(kSettable);
  const auto* const found =
      std::find_if(std::begin(kSettable), end, [name](const Settable& s) { return s.name == name; });
  if (found == end) return false;
  found->set(snapshot, value);
  return true;
}

std::vector<std::string_view> settable_figures() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kSettable));
  for (const Settable& each : kSettable) names.push_back(each.name);
  return names;
}

}  // namespace outrider
