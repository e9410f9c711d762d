#include "userspace/model/snapshot_builder.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "userspace/base/units.h"
#include "userspace/model/query_figures.h"
#include "userspace/model/snapshot_fields.h"
#include "userspace/model/utf8.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

// The figures of one snapshot while it is being built.
class Builder {
 public:
  Builder(const SnapshotInput& input, const TargetFigures& interval, const RunningTotals& totals, double seconds)
      : input_(input), interval_(interval), totals_(totals), seconds_(seconds) {}

  Snapshot build() {
    fill_head();
    fill_types();
    fill_blocking();
    fill_totals();
    fill_latency();
    fill_in_flight();
    fill_cache();
    fill_target();
    explain_nulls();
    const Health health = assess_health(snapshot_, input_.health);
    snapshot_.health_score = health.score;
    snapshot_.health_deductions = health.deductions;
    return std::move(snapshot_);
  }

 private:
  void fill_head();
  void fill_types();
  void fill_blocking();
  void add_outermost(const TypeFigures& interval, const TypeFigures& total);
  void add_to_sums(const TypeId& id, const TypeFigures& interval, const TypeFigures& total);
  void fill_totals();
  void fill_latency();
  void fill_in_flight();
  void fill_cache();
  void fill_target();
  void explain_nulls();
  void explain_queries();
  void explain_types();
  void had_after_all(const std::string& field);
  void explain(const std::string& field, bool missing, const std::string& reason);
  [[nodiscard]] double rate(const TypeId& id, std::uint64_t queries) const;
  [[nodiscard]] std::string reason_without_queries() const;
  [[nodiscard]] std::string reason_without_start() const;
  [[nodiscard]] std::string not_followed() const;
  [[nodiscard]] bool waits_known(const TypeFigures& figures) const;

  const SnapshotInput& input_;
  const TargetFigures& interval_;
  const RunningTotals& totals_;
  double seconds_;
  struct CacheCount {
    std::uint64_t hits = 0, misses = 0;
  };

  TypeFigures outermost_, outermost_total_;
  CacheCount interval_cache_, total_cache_;
  Snapshot snapshot_;
};

void Builder::fill_head() {
  snapshot_.timestamp_ms = input_.timestamp_ms;
  snapshot_.target = valid_utf8(input_.target);
  snapshot_.interval_seconds = seconds_;
  snapshot_.summary = input_.summary;
  snapshot_.estimated = totals_.estimated() || input_.query_share < 1;
  snapshot_.system_metrics = input_.host.metrics;
  snapshot_.target_metrics = input_.target_resources.metrics;
  snapshot_.overhead = {input_.probe_ns_per_query, input_.probe_percent_of_target_cpu, to_string(input_.mode),
                        input_.query_share};
  static constexpr const char* kNames[] = OUTRIDER_LOSS_NAMES;
  static_assert(std::size(kNames) == OUTRIDER_LOSSES);
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    snapshot_.losses.counts[kNames[i]] = totals_.figures().losses[i];
  }
  auto& unavailable = snapshot_.losses.unavailable;
  for (const auto* reasons : {&input_.unavailable, &input_.host.unavailable, &input_.target_resources.unavailable}) {
    unavailable.insert(unavailable.end(), reasons->begin(), reasons->end());
  }
}

// A summary shows what was followed while there were start probes, whatever the mode is at the end.
bool Builder::waits_known(const TypeFigures& figures) const {
  if (input_.summary && figures.timed > 0) return true;
  return input_.mode != ProbeMode::kLight && input_.query_share > 0;
}

// Queries a second while probes were attached; where none were, what was seen last.
double Builder::rate(const TypeId& id, std::uint64_t queries) const {
  if (input_.summary) return ratio(static_cast<double>(queries), seconds_).value_or(0);
  if (input_.query_share <= 0) return totals_.last_rate(id);
  return ratio(static_cast<double>(queries), seconds_ * input_.query_share).value_or(0);
}

// Of the totals, only what fill_totals() shows: their histograms are long, and nobody looks at the sum of all types.
void Builder::add_outermost(const TypeFigures& interval, const TypeFigures& total) {
  outermost_.add(interval);
  outermost_total_.queries += total.queries;
  outermost_total_.failed += total.failed;
  outermost_total_.abandoned += total.abandoned;
  outermost_total_.unseen_queries += total.unseen_queries;
  outermost_total_.unseen_failed += total.unseen_failed;
}

void Builder::add_to_sums(const TypeId& id, const TypeFigures& interval, const TypeFigures& total) {
  // A cache look-up is counted with the query that made it, nested or not.
  interval_cache_.hits += interval.cache_hits;
  interval_cache_.misses += interval.cache_misses;
  total_cache_.hits += total.cache_hits;
  total_cache_.misses += total.cache_misses;
  if (!id.second) add_outermost(interval, total);  // a nested query is part of its outer one's wall time
}

void Builder::fill_types() {
  static const TypeFigures kNothing;
  std::map<std::string, std::pair<TypeFigures, TypeFigures>> by_name;
  std::map<std::string, double> rates;
  const auto add = [&](const TypeId& id, const TypeFigures& interval, const TypeFigures& total) {
    add_to_sums(id, interval, total);
    auto& [interval_sum, total_sum] = by_name[id.first];
    interval_sum.add(interval);
    total_sum.add(total);
    const double per_second = rate(id, input_.summary ? estimated_queries(total) : interval.queries);
    rates[id.first] += per_second;
    if (!id.second) snapshot_.query_metrics.queries_per_second += per_second;
  };
  for (const auto& [id, total] : totals_.figures().types) {
    const auto found = interval_.types.find(id);
    add(id, found == interval_.types.end() ? kNothing : found->second, total);
  }
  for (const auto& [id, total] : totals_.figures().given_up) {
    if (input_.summary) {
      add(id, total, total);
    } else {
      add_to_sums(id, kNothing, total);
      merge(snapshot_.query_metrics.given_up_histogram, total.histogram);
    }
  }
  for (auto& [name, figures] : by_name) {
    TypeMetrics& type = snapshot_.query_metrics.query_type_breakdown[name];
    type = type_metrics(figures.first, std::move(figures.second), rates[name]);
    if (!waits_known(figures.first)) type.waits.reset();
  }
  for (const auto& [name, total] : totals_.figures().phases) {
    const auto found = interval_.phases.find(name);
    const PhaseCounters phase = found == interval_.phases.end() ? PhaseCounters{} : found->second;
    snapshot_.query_metrics.phases[name] = {phase.count, static_cast<double>(phase.total_ns) / kNsPerSecond,
                                            total.count, static_cast<double>(total.total_ns) / kNsPerSecond,
                                            input_.cache_share > 0};
  }
}

void Builder::fill_blocking() {
  constexpr std::size_t kMost = 10;
  std::vector<Blocking>& all = snapshot_.query_metrics.blocking;
  all.reserve(interval_.blocks.size());
  for (const auto& [id, sum] : interval_.blocks) {
    const double seconds = static_cast<double>(sum.total_ns) / kNsPerSecond;
    const auto type = interval_.types.find({id.type, false});
    const double all_ns = type == interval_.types.end() ? 0 : static_cast<double>(type->second.duration_ns);
    all.push_back({id.type, id.blocked_by, kWaitNames[id.wait_class], sum.count, seconds,
                   ratio(static_cast<double>(sum.total_ns), all_ns)});
  }
  std::stable_sort(all.begin(), all.end(), [](const Blocking& a, const Blocking& b) { return a.seconds > b.seconds; });
  if (all.size() > kMost) all.resize(kMost);
}

void Builder::fill_totals() {
  QueryMetrics& metrics = snapshot_.query_metrics;
  metrics.total_queries = estimated_queries(outermost_total_);
  metrics.failed_queries = std::min(estimated_failed(outermost_total_), metrics.total_queries);
  metrics.successful_queries = metrics.total_queries - metrics.failed_queries;
  metrics.abandoned_queries = outermost_total_.abandoned;
  metrics.interval_queries = outermost_.queries;
  const bool extrapolated = input_.query_share < 1 || input_.summary;
  if (extrapolated) {
    metrics.interval_queries = static_cast<std::uint64_t>(std::llround(metrics.queries_per_second * seconds_));
  }
  metrics.queries_per_second_5m = input_.queries_per_second_5m;
  const auto queries = static_cast<double>(outermost_.queries);
  metrics.error_rate = ratio(static_cast<double>(std::min(outermost_.failed, outermost_.queries)), queries);
  if (metrics.error_rate) metrics.success_rate = 1 - *metrics.error_rate;
}

void Builder::fill_latency() {
  QueryMetrics& metrics = snapshot_.query_metrics;
  const auto queries = static_cast<double>(outermost_.queries);
  metrics.avg_response_time_seconds = ratio(static_cast<double>(outermost_.duration_ns) / kNsPerSecond, queries);
  metrics.p50_response_time_seconds = percentile_seconds(outermost_, 0.50);
  metrics.p95_response_time_seconds = percentile_seconds(outermost_, 0.95);
  metrics.p99_response_time_seconds = percentile_seconds(outermost_, 0.99);
  metrics.p999_response_time_seconds = percentile_seconds(outermost_, 0.999);
  metrics.max_response_time_seconds = max_seconds(outermost_);
  if (!waits_known(outermost_)) return;
  metrics.waits = wait_seconds(outermost_);
  const auto cpu = static_cast<double>(outermost_.wait_ns[OUTRIDER_WAIT_CPU]) / kNsPerSecond;
  metrics.avg_processing_time_seconds = ratio(cpu, static_cast<double>(outermost_.timed));
}

void Builder::fill_in_flight() {
  if (input_.mode != ProbeMode::kFull) return;
  QueryMetrics& metrics = snapshot_.query_metrics;
  const TargetCounters& now = *input_.current;
  metrics.current_concurrent = std::max<std::int64_t>(now.concurrent, 0);
  metrics.peak_concurrent = static_cast<std::int64_t>(interval_.peak);
  if (now.oldest_start_ns > 0 && now.oldest_start_ns <= now.time_ns) {
    metrics.oldest_in_flight_seconds = static_cast<double>(now.time_ns - now.oldest_start_ns) / kNsPerSecond;
  }
}

void Builder::fill_cache() {
  CacheMetrics& cache = snapshot_.cache_metrics;
  const auto hits = static_cast<double>(interval_.cache_hits + interval_cache_.hits);
  const auto misses = static_cast<double>(interval_.cache_misses + interval_cache_.misses);
  cache.hits = totals_.figures().cache_hits + total_cache_.hits;
  cache.misses = totals_.figures().cache_misses + total_cache_.misses;
  cache.hit_rate = ratio(hits, hits + misses);
  cache.sampled_share = input_.cache_share;
}

// The kernel's accounting sees threads and processes that came and went between two looks at /proc.
void Builder::fill_target() {
  ResourceMetrics& target = snapshot_.target_metrics;
  if (interval_.cpu_ns > 0 && seconds_ > 0) {
    target.cpu_cores = static_cast<double>(interval_.cpu_ns) / kNsPerSecond / seconds_;
    had_after_all("target_metrics.cpu_cores");
    const double allowed = input_.target_resources.allowed_cores.value_or(0);
    if (allowed > 0) {
      target.cpu_usage = std::clamp(100 * *target.cpu_cores / allowed, 0.0, 100.0);
      had_after_all("target_metrics.cpu_usage");
    }
  }
  const bool accounted = input_.current->cpu_ns > 0 || input_.current->faults > 0;
  if (accounted && seconds_ > 0) {
    target.page_faults_per_second = static_cast<double>(interval_.faults) / seconds_;
    had_after_all("target_metrics.page_faults_per_second");
  }
  if (!target.thread_count && input_.current->threads > 0) target.thread_count = input_.current->threads;
}

// /proc could not tell, the kernel's counters could.
void Builder::had_after_all(const std::string& field) {
  std::erase_if(snapshot_.losses.unavailable, [&](const std::string& line) { return line.starts_with(field + ":"); });
}

void Builder::explain(const std::string& field, bool missing, const std::string& reason) {
  auto& lines = snapshot_.losses.unavailable;
  const auto names_field = [&](const std::string& line) { return line.starts_with(field + ":"); };
  if (missing && std::none_of(lines.begin(), lines.end(), names_field)) lines.push_back(field + ": " + reason);
}

std::string Builder::reason_without_queries() const {
  if (input_.query_share <= 0) return "the query probes were detached to stay inside the overhead budget";
  return "no query ended in the interval";
}

std::string Builder::reason_without_start() const {
  if (input_.mode == ProbeMode::kLight) return "light mode has no start probe";
  if (input_.mode == ProbeMode::kPaused) return "the query probes are detached";
  return {};
}

std::string Builder::not_followed() const {
  std::string no_start = reason_without_start();
  if (!no_start.empty()) return no_start;
  return input_.query_share <= 0 ? reason_without_queries() : "no query was followed from its start";
}

void Builder::explain_nulls() {
  explain_queries();
  explain_types();
  explain("cache_metrics.hit_rate", !snapshot_.cache_metrics.hit_rate,
          input_.cache_share <= 0 ? "the cache probes were detached to stay inside the overhead budget"
                                  : "no cache access was seen in the interval");
  for (const bool of_target : {false, true}) {
    const std::string prefix = of_target ? "target_metrics." : "system_metrics.";
    for_each_resource(of_target ? snapshot_.target_metrics : snapshot_.system_metrics, of_target,
                      [&](const std::string& name, const auto& figure) {
                        explain(prefix + name, !figure, "it could not be read from /proc");
                      });
  }
  explain("overhead.ns_per_query", !snapshot_.overhead.ns_per_query, reason_without_queries());
  explain("overhead.percent_of_target_cpu", !snapshot_.overhead.percent_of_target_cpu,
          "the target used no CPU time in the interval");
}

void Builder::explain_queries() {
  const QueryMetrics& metrics = snapshot_.query_metrics;
  const std::string no_start = reason_without_start();
  const std::string no_query = reason_without_queries();
  for_each_query_figure(metrics, [&](const std::string& name, const auto& figure) {
    std::string reason = no_query;
    if (name == "queries_per_second_5m") reason = "no rate has been taken yet";
    if (name == "oldest_in_flight_seconds") reason = "no query is in flight";
    const bool in_flight = name.ends_with("concurrent") || name == "oldest_in_flight_seconds";
    if (in_flight && !no_start.empty()) reason = no_start;
    if (name == "avg_processing_time_seconds" && outermost_.queries > 0) reason = not_followed();
    explain("query_metrics." + name, !figure, reason);
  });
  explain("query_metrics.waits", !metrics.waits, not_followed());
  explain("query_metrics.phases.*", !metrics.phases.empty() && !metrics.phases.begin()->second.probed,
          "the phase probes were detached to stay inside the overhead budget");
}

void Builder::explain_types() {
  bool idle = false, cacheless = false, not_timed = false;
  for (const auto& [name, type] : snapshot_.query_metrics.query_type_breakdown) {
    idle = idle || !type.success_rate;
    cacheless = cacheless || !type.cache_hit_rate;
    not_timed = not_timed || !type.waits;
  }
  const std::string types = "query_metrics.query_type_breakdown.*";
  explain(types, idle, "types without a query in the interval have no means, percentiles and rates");
  explain(types + ".cache_hit_rate", cacheless, "no cache access inside queries of that type");
  explain(types + ".waits", not_timed, not_followed());
}

}  // namespace

const char* to_string(ProbeMode mode) {
  switch (mode) {
    case ProbeMode::kLight:
      return "light";
    case ProbeMode::kPaused:
      return "paused";
    case ProbeMode::kFull:
      break;
  }
  return "full";
}

Snapshot build_snapshot(const SnapshotInput& input) {
  static const TargetCounters kNone;
  const TargetCounters& previous = input.previous != nullptr ? *input.previous : kNone;
  double seconds = input.interval_seconds;
  if (!(seconds > 0) && input.current->time_ns > previous.time_ns && previous.time_ns > 0) {
    seconds = static_cast<double>(input.current->time_ns - previous.time_ns) / kNsPerSecond;
  }
  RunningTotals since_attach;
  if (input.totals == nullptr) since_attach.add(difference(kNone, *input.current), seconds, 1);
  const RunningTotals& totals = input.totals != nullptr ? *input.totals : since_attach;
  if (input.summary) return Builder(input, totals.figures(), totals, seconds).build();
  const TargetFigures interval = difference(previous, *input.current);
  return Builder(input, interval, totals, seconds).build();
}

}  // namespace outrider
