#include "userspace/model/snapshot_field.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

template <typename T>
std::optional<double> number(const std::optional<T>& figure) {
  if (!figure) return std::nullopt;
  return static_cast<double>(*figure);
}

template <std::size_t Class>
std::optional<double> share_of(const std::optional<WaitSeconds>& waits) {
  if (!waits) return std::nullopt;
  const double all = std::accumulate(waits->begin(), waits->end(), 0.0);
  if (!(all > 0)) return std::nullopt;
  return waits->at(Class) / all;
}

std::string share_name(std::size_t wait_class) { return std::string("waits.") + kWaitNames[wait_class] + "_share"; }

template <std::size_t... Classes>
void add_waits(std::vector<SnapshotField>& fields, std::index_sequence<Classes...>) {
  (fields.push_back(
       {share_name(Classes), "ratio", [](const Snapshot& s) { return share_of<Classes>(s.query_metrics.waits); }}),
   ...);
}

template <std::size_t... Classes>
void add_waits(std::vector<TypeField>& fields, std::index_sequence<Classes...>) {
  (fields.push_back({share_name(Classes), "ratio", [](const TypeMetrics& t) { return share_of<Classes>(t.waits); }}),
   ...);
}

template <typename Field>
void sort_by_name(std::vector<Field>& fields) {
  std::sort(fields.begin(), fields.end(), [](const Field& a, const Field& b) { return a.name < b.name; });
}

using Resources = ResourceMetrics Snapshot::*;

template <Resources Of>
void add_resources(std::vector<SnapshotField>& fields, const std::string& prefix) {
  const SnapshotField all[] = {
      {"cpu_usage", "percent", [](const Snapshot& s) { return (s.*Of).cpu_usage; }},
      {"cpu_steal", "percent", [](const Snapshot& s) { return (s.*Of).cpu_steal; }},
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
       [](const Snapshot& s) -> std::optional<double> {
         // No rate: nothing is known of the target.
         if (std::isnan(s.query_metrics.queries_per_second)) return std::nullopt;
         return static_cast<double>(s.query_metrics.interval_queries);
       }},
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
  sort_by_name(fields);
  return fields;
}

std::optional<double> error_rate(const TypeMetrics& type) {
  if (!type.success_rate) return std::nullopt;
  return 1 - *type.success_rate;
}

std::vector<TypeField> make_type_fields() {
  std::vector<TypeField> fields = {
      {"query_metrics.interval_queries", "count",
       [](const TypeMetrics& t) { return std::optional(static_cast<double>(t.interval_count)); }},
      {"query_metrics.queries_per_second", "1/s",
       [](const TypeMetrics& t) { return std::optional(t.queries_per_second); }},
      {"query_metrics.success_rate", "ratio", [](const TypeMetrics& t) { return t.success_rate; }},
      {"query_metrics.error_rate", "ratio", &error_rate},
      {"query_metrics.avg_response_time_seconds", "seconds",
       [](const TypeMetrics& t) { return t.avg_response_time_seconds; }},
      {"query_metrics.p95_response_time_seconds", "seconds",
       [](const TypeMetrics& t) { return t.p95_response_time_seconds; }},
      {"query_metrics.p99_response_time_seconds", "seconds",
       [](const TypeMetrics& t) { return t.p99_response_time_seconds; }},
      {"cache_metrics.hit_rate", "ratio", [](const TypeMetrics& t) { return t.cache_hit_rate; }}};
  add_waits(fields, std::make_index_sequence<OUTRIDER_WAIT_CLASSES>());
  sort_by_name(fields);
  return fields;
}

template <typename Field>
const Field* find_in(const std::vector<Field>& fields, std::string_view name) {
  const auto found = std::lower_bound(fields.begin(), fields.end(), name,
                                      [](const Field& field, std::string_view key) { return field.name < key; });
  return found != fields.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

const std::vector<SnapshotField>& snapshot_fields() {
  static const std::vector<SnapshotField> kFields = make_fields();
  return kFields;
}

const SnapshotField* find_snapshot_field(std::string_view name) { return find_in(snapshot_fields(), name); }

const std::vector<TypeField>& type_fields() {
  static const std::vector<TypeField> kFields = make_type_fields();
  return kFields;
}

const TypeField* find_type_field(std::string_view name) { return find_in(type_fields(), name); }

}  // namespace outrider
