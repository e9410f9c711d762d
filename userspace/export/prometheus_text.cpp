#include "userspace/export/prometheus_text.h"

#include <prometheus/text_serializer.h>

#include <set>
#include <sstream>
#include <utility>

#include "userspace/base/units.h"
#include "userspace/export/agent_families.h"
#include "userspace/export/family_set.h"
#include "userspace/model/label_use.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

template <typename T>
std::optional<double> number(const std::optional<T>& figure) {
  if (!figure) return std::nullopt;
  return static_cast<double>(*figure);
}

std::optional<double> scaled(std::optional<double> figure, double factor) {
  if (!figure) return std::nullopt;
  return *figure * factor;
}

void add_totals(FamilySet& set, const Labels& target, const QueryMetrics& metrics) {
  const auto total = [](std::uint64_t count) { return static_cast<double>(count); };
  set.counter("queries_total", "Queries ended since attach, failed ones included; nested ones are not counted.", target,
              total(metrics.total_queries));
  set.counter("queries_failed_total", "Queries that failed since attach.", target, total(metrics.failed_queries));
  set.counter("queries_abandoned_total", "Queries started since attach that never ended.", target,
              total(metrics.abandoned_queries));
  set.gauge("queries_per_second", "Queries ended in the last interval, per second.", target,
            metrics.queries_per_second);
  set.gauge("queries_per_second_5m", "Queries per second over the last five minutes.", target,
            metrics.queries_per_second_5m);
  set.gauge("query_success_rate", "Share of the last interval's queries that succeeded, 0 to 1.", target,
            metrics.success_rate);
  set.gauge("query_error_rate", "Share of the last interval's queries that failed, 0 to 1.", target,
            metrics.error_rate);
}

void add_latency(FamilySet& set, const Labels& target, const QueryMetrics& metrics) {
  set.gauge("query_response_time_seconds", "Mean wall time of the last interval's queries.", target,
            metrics.avg_response_time_seconds);
  const std::pair<const char*, std::optional<double>> percentiles[] = {{"p50", metrics.p50_response_time_seconds},
                                                                       {"p95", metrics.p95_response_time_seconds},
                                                                       {"p99", metrics.p99_response_time_seconds},
                                                                       {"p99.9", metrics.p999_response_time_seconds},
                                                                       {"max", metrics.max_response_time_seconds}};
  for (const auto& [name, value] : percentiles) {
    Labels labels = target;
    labels.emplace_back("percentile", name);
    set.gauge("query_response_time_percentile_seconds",
              "Percentile of the last interval's wall times, within 1.6 percent, and the longest.", labels, value);
  }
  set.gauge("query_processing_time_seconds", "Mean time on a CPU of the last interval's queries.", target,
            metrics.avg_processing_time_seconds);
  set.gauge("queries_in_flight", "Queries running now.", target, number(metrics.current_concurrent));
  set.gauge("queries_in_flight_peak", "Most queries running at once in the last interval.", target,
            number(metrics.peak_concurrent));
  set.gauge("query_oldest_in_flight_seconds", "Age of the oldest query that is running.", target,
            metrics.oldest_in_flight_seconds);
}

void add_waits(FamilySet& set, const Labels& labels, const TypeMetrics& type) {
  if (!type.waits_total) return;
  for (std::size_t i = 0; i < type.waits_total->size(); ++i) {
    Labels with_class = labels;
    with_class.emplace_back("class", kWaitNames[i]);
    set.counter("query_wait_seconds_total",
                "Wall time of queries by type and by what they waited on, nested ones included; cpu is no wait.",
                with_class, (*type.waits_total)[i]);
  }
}

void add_types(FamilySet& set, const Labels& target, const QueryMetrics& metrics, const PrometheusOptions& options) {
  const std::vector<std::uint32_t> standard = le_bounds();
  for (const auto& [name, type] : metrics.query_type_breakdown) {
    Labels labels = target;
    labels.emplace_back("type", name);
    if (type.session && !type.session->database.empty()) labels.emplace_back("datname", type.session->database);
    if (type.session && !type.session->user.empty()) labels.emplace_back("usename", type.session->user);
    const auto bounds = options.fine_buckets ? used_bounds(type.histogram_total) : standard;
    set.histogram("query_duration_seconds", "Wall time of queries by type, nested ones included.", labels,
                  type.histogram_total, bounds, type.duration_seconds_total);
    set.counter("query_type_failed_total", "Queries that failed, by type, nested ones included.", labels,
                static_cast<double>(type.failed));
    set.counter("query_type_abandoned_total", "Queries that never ended, by type, nested ones included.", labels,
                static_cast<double>(type.abandoned));
    add_waits(set, labels, type);
  }
  for (const auto& [name, phase] : metrics.phases) {
    Labels labels = target;
    labels.emplace_back("phase", name);
    set.counter("query_phase_seconds_total", "Time spent in a phase of queries.", labels, phase.total_seconds);
    set.counter("query_phases_total", "Phases ended.", labels, static_cast<double>(phase.total_count));
  }
}

void add_cache(FamilySet& set, const Labels& target, const CacheMetrics& cache) {
  set.gauge("cache_hit_rate", "Share of the last interval's cache accesses that hit, 0 to 1.", target, cache.hit_rate);
  set.counter("cache_hits_total", "Cache hits seen.", target, static_cast<double>(cache.hits));
  set.counter("cache_misses_total", "Cache misses seen.", target, static_cast<double>(cache.misses));
  set.gauge("cache_sampled_share", "Share of the last interval in which cache accesses were watched, 0 to 1.", target,
            cache.sampled_share);
}

// The host is one, however many targets there are: no target label.
void add_host(FamilySet& set, const ResourceMetrics& host) {
  set.gauge("cpu_usage_percent", "CPU time used on the host, percent of all CPUs.", {}, host.cpu_usage);
  set.gauge("cpu_steal_percent", "CPU time that the hypervisor gave to others, percent of all CPUs.", {},
            host.cpu_steal);
  set.gauge("memory_usage_percent", "Memory used on the host, percent of all.", {}, scaled(host.memory_usage, 100));
}

void add_target(FamilySet& set, const Labels& target, const ResourceMetrics& metrics, double seconds) {
  set.gauge("target_cpu_usage_percent", "CPU time used by the target, percent of what it may use.", target,
            metrics.cpu_usage);
  set.gauge("target_cpu_cores", "CPUs that the target kept busy.", target, metrics.cpu_cores);
  set.gauge("target_memory_usage_percent", "Resident memory, percent of the target's limit or the host's memory.",
            target, scaled(metrics.memory_usage, 100));
  set.gauge("target_resident_memory_bytes", "Resident memory, shared pages counted once.", target,
            scaled(metrics.rss_mb, kMib));
  set.gauge("target_page_faults_per_second", "Page faults, minor and major.", target, metrics.page_faults_per_second);
  set.gauge("target_disk_usage_percent", "Fill level of the fullest file system that the target writes to.", target,
            scaled(metrics.disk_usage, 100));
  if (seconds > 0) {
    set.gauge("target_disk_read_bytes_per_second", "Bytes read from storage.", target,
              scaled(metrics.disk_read_mb, kMib / seconds));
    set.gauge("target_disk_written_bytes_per_second", "Bytes written to storage.", target,
              scaled(metrics.disk_write_mb, kMib / seconds));
    set.gauge("target_network_received_bytes_per_second", "Bytes received in the target's network namespace.", target,
              scaled(metrics.network_rx_mb, kMib / seconds));
    set.gauge("target_network_sent_bytes_per_second", "Bytes sent in the target's network namespace.", target,
              scaled(metrics.network_tx_mb, kMib / seconds));
  }
  set.gauge("target_threads", "Threads.", target, number(metrics.thread_count));
  set.gauge("target_open_files", "Open descriptors.", target, number(metrics.handle_count));
  set.gauge("target_uptime_seconds", "Age of the target's oldest process.", target, metrics.uptime_seconds);
}

void add_availability(FamilySet& set, const Labels& target, const Availability& availability) {
  for (const char* state : {"up", "stalled", "down", "unknown"}) {
    Labels labels = target;
    labels.emplace_back("state", state);
    set.gauge("target_state", "1 for the state that the target is in: up, stalled, down or unknown.", labels,
              availability.state == state ? 1 : 0);
  }
  const std::pair<const char*, std::optional<double>> windows[] = {
      {"1h", availability.ratio_1h}, {"24h", availability.ratio_24h}, {"30d", availability.ratio_30d}};
  for (const auto& [window, ratio] : windows) {
    Labels labels = target;
    labels.emplace_back("window", window);
    set.gauge("target_availability_ratio", "Share of the known time in which the target was up, 0 to 1.", labels,
              ratio);
  }
  set.gauge("target_error_budget_left_ratio", "Share of 30 days' allowed down time that is not used up, 0 to 1.",
            target, availability.error_budget_left);
}

void add_audit(FamilySet& set, const Labels& target, const AuditState& audit) {
  const std::pair<const char*, std::uint64_t> results[] = {{"read", audit.readings}, {"failed", audit.failed_readings}};
  for (const auto& [result, times] : results) {
    Labels labels = target;
    labels.emplace_back("result", result);
    set.counter("audit_readings_total", "Times that the engine was asked what it has counted, by result.", labels,
                static_cast<double>(times));
  }
  set.counter("audit_restarts_total", "Times that the comparison with the engine's own count began anew.", target,
              static_cast<double>(audit.restarts));
  if (!audit.comparison) return;
  set.gauge("audit_engine_queries", "Queries that the engine has counted since the comparison began.", target,
            static_cast<double>(audit.comparison->engine_queries));
  set.gauge("audit_difference_queries",
            "Queries that the engine counted and the agent did not see; negative: seen, and not counted by the engine.",
            target, static_cast<double>(audit.comparison->difference));
  set.gauge("audit_uncertainty_queries",
            "How far the true difference may be from that one: the two are never read at one moment.", target,
            static_cast<double>(audit.comparison->uncertainty));
}

void add_configured(FamilySet& set, const Labels& target, const TargetState& state) {
  set.gauge("agent_target_attached", "1 if the target is watched or waited for, 0 if it could not be.", target,
            state.attached ? 1 : 0);
  set.gauge("target_interval_seconds", "How often the target's figures are read.", target, state.interval_seconds);
  set.gauge("target_availability_objective_ratio", "Share of 30 days in which the target should be up, 0 to 1.", target,
            state.availability_objective);
  if (state.audit) add_audit(set, target, *state.audit);
}

// The configuration's labels behind ours.
Labels target_labels(const std::string& name, const std::string& target, const PrometheusOptions& options) {
  Labels labels{{"target", name}};
  const auto own = options.target_labels.find(target);
  if (own == options.target_labels.end()) return labels;
  for (const auto& [label, value] : own->second) {
    if (use_of_label(label) == LabelUse::kFree) labels.emplace_back(label, value);
  }
  return labels;
}

void add_self(FamilySet& set, const Labels& target, const Snapshot& snapshot) {
  set.gauge("health_score", "Health from 0 to 100.", target, snapshot.health_score);
  for (const HealthDeduction& deduction : snapshot.health_deductions) {
    Labels labels = target;
    labels.emplace_back("rule", deduction.rule);
    set.gauge("health_deduction", "Points that a broken rule takes from the health score.", labels, deduction.penalty);
  }
  set.gauge("probe_overhead_seconds_per_query", "What the probes cost the target, per query.", target,
            scaled(snapshot.overhead.ns_per_query, 1e-9));
  set.gauge("probe_overhead_percent", "What the probes cost the target, percent of its CPU time.", target,
            snapshot.overhead.percent_of_target_cpu);
  set.gauge("probe_sampled_share", "Share of the last interval in which queries were watched, 0 to 1.", target,
            snapshot.overhead.sampled_share);
  Labels mode = target;
  mode.emplace_back("mode", snapshot.overhead.mode);
  set.gauge("probe_mode", "1 for the mode that the probes are in: full, light or paused.", mode, 1);
  set.gauge("totals_estimated", "1 if totals are extrapolated over time without probes.", target,
            snapshot.estimated ? 1 : 0);
  for (const auto& [reason, count] : snapshot.losses.counts) {
    Labels labels = target;
    labels.emplace_back("reason", reason);
    set.counter("losses_total", "What was seen but could not be counted, or with less detail.", labels,
                static_cast<double>(count));
  }
  set.gauge("snapshot_timestamp_seconds", "Unix time of these figures; it stands still when the agent is gone.", target,
            static_cast<double>(snapshot.timestamp_ms) / 1000);
}

// Snapshots one after the other.
class Snapshots {
 public:
  Snapshots(FamilySet& set, const PrometheusOptions& options) : set_(set), options_(options) {}

  void add(const Snapshot& snapshot);
  /// After the last one: the host's figures are those of the newest.
  void end() {
    if (newest_ != nullptr) add_host(set_, newest_->system_metrics);
  }
  /// That the targets got.
  [[nodiscard]] const std::set<std::string>& names() const { return names_; }

 private:
  FamilySet& set_;
  const PrometheusOptions& options_;
  std::set<std::string> names_;
  const Snapshot* newest_ = nullptr;
};

void Snapshots::add(const Snapshot& snapshot) {
  std::string name = snapshot.target;
  for (int i = 2; !names_.insert(name).second; ++i) name = snapshot.target + "#" + std::to_string(i);
  const Labels target = target_labels(name, snapshot.target, options_);
  add_totals(set_, target, snapshot.query_metrics);
  add_latency(set_, target, snapshot.query_metrics);
  add_types(set_, target, snapshot.query_metrics, options_);
  add_cache(set_, target, snapshot.cache_metrics);
  add_target(set_, target, snapshot.target_metrics, snapshot.interval_seconds);
  if (snapshot.availability) add_availability(set_, target, *snapshot.availability);
  add_self(set_, target, snapshot);
  if (newest_ == nullptr || newest_->timestamp_ms < snapshot.timestamp_ms) newest_ = &snapshot;
}

std::string serialise(const std::vector<prometheus::MetricFamily>& families) {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

}  // namespace

std::vector<prometheus::MetricFamily> prometheus_families(const std::vector<Snapshot>& snapshots,
                                                          const PrometheusOptions& options) {
  FamilySet set(options.prefix);
  Snapshots added(set, options);
  for (const Snapshot& snapshot : snapshots) added.add(snapshot);
  added.end();
  return set.take();
}

std::vector<prometheus::MetricFamily> prometheus_families(const Report& report, const PrometheusOptions& options) {
  FamilySet set(options.prefix);
  Snapshots added(set, options);
  for (const SharedSnapshot& snapshot : report.snapshots) added.add(*snapshot);
  added.end();
  if (!report.agent) return set.take();
  for (const TargetState& target : report.agent->targets) {
    const Labels labels = target_labels(target.name, target.name, options);
    if (!added.names().contains(target.name)) add_availability(set, labels, target.availability);
    add_configured(set, labels, target);
  }
  add_agent(set, *report.agent);
  return set.take();
}

std::string prometheus_text(const std::vector<Snapshot>& snapshots, const PrometheusOptions& options) {
  return serialise(prometheus_families(snapshots, options));
}

std::string prometheus_text(const Report& report, const PrometheusOptions& options) {
  return serialise(prometheus_families(report, options));
}

}  // namespace outrider
