#include "userspace/model/snapshot_field.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace outrider {
namespace {

template <typename T>
std::optional<double> number(const std::optional<T>& figure) {
  if (!figure) return std::nullopt;
  return static_cast<double>(*figure);
}

template <std::size_t Class>
std::optional<double> wait_share(const Snapshot& snapshot) {
  const auto& waits = snapshot.query_metrics.waits;
  if (!waits) return std::nullopt;
  const double all = std::accumulate(waits->begin(), waits->end(), 0.0);
  if (!(all > 0)) return std::nullopt;
  return waits->at(Class) / all;
}

template <std::size_t... Classes>
void add_waits(std::vector<SnapshotField>& fields, std::index_sequence<Classes...>) {
  static constexpr const char* kNames[] = OUTRIDER_WAIT_NAMES;
  (fields.push_back({std::string("waits.") + kNames[Classes] + "_share", "ratio", &wait_share<Classes>}), ...);
}

using Resources = ResourceMetrics Snapshot::*;

template <Resources Of>
void add_resources(std::vector<SnapshotField>& fields, const std::string& prefix) {
  const SnapshotField all[] = {
      {"cpu_usage", "percent", [](const Snapshot& s) { return (s.*Of).cpu_usage; }},
      {"cpu_cores", "count", [](const Snapshot& s) { return (s.*Of).cpu_cores; }},
      {"throttled_seconds", "seconds", [](const Snapshot& s) { return (s.*Of).throttled_seconds; }},
      {"memory_usage", "ratio", [](const Snapshot& s) { return (s.*Of).memory_usage; }},
      {"memory_used_mb", "MiB", [](const Snapshot& s) { return (s.*Of).memory_used_mb; }},
      {"rss_mb", "MiB", [](const Snapshot& s) { return (s.*Of).rss_mb; }},
      {"page_faults_per_second", "1/s", [](const Snapshot& s) { return (s.*Of).page_faults_per_second; }},
      {"disk_usage", "ratio", [](const Snapshot& s) { return (s.*Of).disk_usage; }},
      {"disk_read_mb", "MiB", [](const Snapshot& s) { return (s.*Of).disk_read_mb; }},
      {"disk_write_mb", "MiB", [](const Snapshot& s) { return (s.*Of).disk_write_mb; }},
      {"network_rx_mb", "MiB", [](const Snapshot& s) { return (s.*Of).network_rx_mb; }},
      {"network_tx_mb", "MiB", [](const Snapshot& s) { return (s.*Of).network_tx_mb; }},
      {"thread_count", "count", [](const Snapshot& s) { return number((s.*Of).thread_count); }},
      {"handle_count", "count", [](const Snapshot& s) { return number((s.*Of).handle_count); }},
      {"uptime_seconds", "seconds", [](const Snapshot& s) { return (s.*Of).uptime_seconds; }},
  };
  for (const SnapshotField& field : all) fields.push_back({prefix + field.name, field.unit, field.value});
}

void add_queries(std::vector<SnapshotField>& fields) {
  const SnapshotField all[] = {
      {"interval_queries", "count",
       [](const Snapshot& s) { return std::optional(static_cast<double>(s.query_metrics.interval_queries)); }},
      {"queries_per_second", "1/s",
       [](const Snapshot& s) { return std::optional(s.query_metrics.queries_per_second); }},
      {"queries_per_second_5m", "1/s", [](const Snapshot& s) { return s.query_metrics.queries_per_second_5m; }},
      {"success_rate", "ratio", [](const Snapshot& s) { return s.query_metrics.success_rate; }},
      {"error_rate", "ratio", [](const Snapshot& s) { return s.query_metrics.error_rate; }},
      {"avg_response_time_seconds", "seconds",
       [](const Snapshot& s) { return s.query_metrics.avg_response_time_seconds; }},
      {"p50_response_time_seconds", "seconds",
       [](const Snapshot& s) { return s.query_metrics.p50_response_time_seconds; }},
      {"p95_response_time_seconds", "seconds",
       [](const Snapshot& s) { return s.query_metrics.p95_response_time_seconds; }},
      {"p99_response_time_seconds", "seconds",
       [](const Snapshot& s) { return s.query_metrics.p99_response_time_seconds; }},
      {"p999_response_time_seconds", "seconds",
       [](const Snapshot& s) { return s.query_metrics.p999_response_time_seconds; }},
      {"max_response_time_seconds", "seconds",
       [](const Snapshot& s) { return s.query_metrics.max_response_time_seconds; }},
      {"avg_processing_time_seconds", "seconds",
       [](const Snapshot& s) { return s.query_metrics.avg_processing_time_seconds; }},
      {"current_concurrent", "count", [](const Snapshot& s) { return number(s.query_metrics.current_concurrent); }},
      {"peak_concurrent", "count", [](const Snapshot& s) { return number(s.query_metrics.peak_concurrent); }},
      {"oldest_in_flight_seconds", "seconds",
       [](const Snapshot& s) { return s.query_metrics.oldest_in_flight_seconds; }},
  };
  for (const SnapshotField& field : all) fields.push_back({"query_metrics." + field.name, field.unit, field.value});
}

std::vector<SnapshotField> make_fields() {
  std::vector<SnapshotField> fields;
  fields.reserve(80);
  add_queries(fields);
  add_waits(fields, std::make_index_sequence<OUTRIDER_WAIT_CLASSES>());
  add_resources<&Snapshot::system_metrics>(fields, "system_metrics.");
  add_resources<&Snapshot::target_metrics>(fields, "target_metrics.");
  fields.push_back({"cache_metrics.hit_rate", "ratio", [](const Snapshot& s) { return s.cache_metrics.hit_rate; }});
  fields.push_back({"health_score", "score", [](const Snapshot& s) { return std::optional(s.health_score); }});
  fields.push_back({"availability.error_budget_left", "ratio", [](const Snapshot& s) {
                      return s.availability ? s.availability->error_budget_left : std::optional<double>();
                    }});
  fields.push_back({"overhead.percent_of_target_cpu", "percent",
                    [](const Snapshot& s) { return s.overhead.percent_of_target_cpu; }});
  std::sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return fields;
}

}  // namespace

const std::vector<SnapshotField>& snapshot_fields() {
  static const std::vector<SnapshotField> kFields = make_fields();
  return kFields;
}

const SnapshotField* find_snapshot_field(std::string_view name) {
  const auto& fields = snapshot_fields();
  const auto found =
      std::lower_bound(fields.begin(), fields.end(), name,
                       [](const SnapshotField& field, std::string_view key) { return field.name < key; });
  return found != fields.end() && found->name == name ? &*found : nullptr;
}

}  // namespace outrider
