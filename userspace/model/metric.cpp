#include "userspace/model/metric.h"

#include <algorithm>
#include <numeric>

#include "userspace/base/units.h"
#include "userspace/model/query_figures.h"
#include "userspace/model/snapshot_fields.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }

using Figure = std::optional<double> (*)(const TypePoint& figures, const Point& point);

struct QueryMetric {
  const char *name, *short_name, *unit;
  Figure figure;
};

template <int PerMille>
std::optional<double> percentile(const TypePoint& figures, const Point&) {
  return percentile_seconds(figures, PerMille / 1000.0);
}

std::optional<double> error_rate(const TypePoint& figures, const Point&) {
  return ratio(number(std::min(figures.failed, figures.queries)), number(figures.queries));
}

std::optional<double> success_rate(const TypePoint& figures, const Point& point) {
  const auto errors = error_rate(figures, point);
  if (!errors) return std::nullopt;
  return 1 - *errors;
}

std::optional<double> processing(const TypePoint& figures, const Point&) {
  return ratio(number(figures.wait_ns[OUTRIDER_WAIT_CPU]) / kNsPerSecond, number(figures.timed));
}

constexpr QueryMetric kQueryMetrics[] = {
    {"query_metrics.interval_queries", "queries", "queries",
     [](const TypePoint& figures, const Point&) { return std::optional(number(figures.queries)); }},
    {"query_metrics.queries_per_second", "qps", "1/s",
     [](const TypePoint& figures, const Point& point) {
       return ratio(number(figures.queries), point.watched_seconds);
     }},
    {"query_metrics.failed_queries", "failed", "queries",
     [](const TypePoint& figures, const Point&) { return std::optional(number(figures.failed)); }},
    {"query_metrics.abandoned_queries", "abandoned", "queries",
     [](const TypePoint& figures, const Point&) { return std::optional(number(figures.abandoned)); }},
    {"query_metrics.success_rate", "success_rate", "ratio", success_rate},
    {"query_metrics.error_rate", "error_rate", "ratio", error_rate},
    {"query_metrics.avg_response_time_seconds", "avg", "seconds",
     [](const TypePoint& figures, const Point&) {
       return ratio(number(figures.duration_ns) / kNsPerSecond, number(figures.queries));
     }},
    {"query_metrics.p50_response_time_seconds", "p50", "seconds", percentile<500>},
    {"query_metrics.p95_response_time_seconds", "p95", "seconds", percentile<950>},
    {"query_metrics.p99_response_time_seconds", "p99", "seconds", percentile<990>},
    {"query_metrics.p999_response_time_seconds", "p999", "seconds", percentile<999>},
    {"query_metrics.max_response_time_seconds", "max", "seconds",
     [](const TypePoint& figures, const Point&) { return max_seconds(figures); }},
    {"query_metrics.avg_processing_time_seconds", "processing", "seconds", processing},
};

struct PointMetric {
  const char *name, *short_name, *unit;
  std::optional<double> (*figure)(const Point& point);
};

constexpr PointMetric kPointMetrics[] = {
    {"query_metrics.peak_concurrent", "peak_concurrent", "queries",
     [](const Point& point) {
       return point.peak_concurrent < 0 ? std::nullopt : std::optional(static_cast<double>(point.peak_concurrent));
     }},
    {"cache_metrics.hits", "cache_hits", "count",
     [](const Point& point) { return std::optional(number(point.cache_hits)); }},
    {"cache_metrics.misses", "cache_misses", "count",
     [](const Point& point) { return std::optional(number(point.cache_misses)); }},
    {"availability.up_seconds", "up_seconds", "seconds",
     [](const Point& point) { return std::optional(point.up_seconds); }},
    {"availability.stalled_seconds", "stalled_seconds", "seconds",
     [](const Point& point) { return std::optional(point.stalled_seconds); }},
    {"availability.down_seconds", "down_seconds", "seconds",
     [](const Point& point) { return std::optional(point.down_seconds); }},
    {"losses", "", "count", [](const Point& point) { return std::optional(number(point.losses)); }},
};

std::string gauge_unit(std::string_view name) {
  if (name.ends_with("cpu_usage") || name.ends_with("cpu_steal") || name.ends_with("percent_of_target_cpu")) {
    return "percent";
  }
  if (name.ends_with("cpu_cores")) return "cores";
  if (name.ends_with("_mb")) return "MiB";
  if (name.ends_with("_per_second")) return "1/s";
  if (name.ends_with("_seconds")) return "seconds";
  if (name.ends_with("ns_per_query")) return "ns";
  if (name.ends_with("memory_usage") || name.ends_with("disk_usage") || name.ends_with("_share")) return "ratio";
  if (name == "health_score") return "points";
  return name.ends_with("concurrent") ? "queries" : "count";
}

std::vector<MetricInfo> make_list() {
  std::vector<MetricInfo> list;
  for (const QueryMetric& metric : kQueryMetrics) list.push_back({metric.name, metric.short_name, metric.unit, true});
  for (const char* wait : kWaitNames) {
    const std::string name = std::string("waits.") + wait;
    list.push_back({"query_metrics." + name + "_seconds", name + "_seconds", "seconds", true});
    list.push_back({"query_metrics." + name + "_share", name + "_share", "ratio", true});
  }
  list.push_back({"cache_metrics.hit_rate", "cache_hit_rate", "ratio", true});
  for (const PointMetric& metric : kPointMetrics) list.push_back({metric.name, metric.short_name, metric.unit, false});
  const auto gauge = [&](const std::string& name, const std::string& short_name) {
    list.push_back({name, short_name, gauge_unit(name), false});
  };
  gauge("query_metrics.current_concurrent", "current_concurrent");
  gauge("query_metrics.oldest_in_flight_seconds", "oldest_in_flight_seconds");
  const ResourceMetrics none;
  for (const bool of_target : {false, true}) {
    const std::string prefix = of_target ? "target_metrics." : "system_metrics.";
    for_each_resource(none, of_target, [&](const std::string& name, const auto&) { gauge(prefix + name, ""); });
  }
  gauge("health_score", "health");
  for (const char* name : {"ns_per_query", "percent_of_target_cpu", "sampled_share"}) {
    gauge(std::string("overhead.") + name, "");
  }
  return list;
}

// "query_metrics.waits.lock_seconds": the class's part of the wall time, in seconds or as a share.
std::optional<double> wait_value(const TypePoint& figures, std::string_view name) {
  const auto waits = wait_seconds(figures);
  if (!waits) return std::nullopt;
  name.remove_prefix(std::string_view("query_metrics.waits.").size());
  for (std::size_t i = 0; i < waits->size(); ++i) {
    const std::string_view wait = kWaitNames[i];
    if (!name.starts_with(wait)) continue;
    if (name.substr(wait.size()) == "_seconds") return (*waits)[i];
    if (name.substr(wait.size()) == "_share") return ratio((*waits)[i], std::reduce(waits->begin(), waits->end()));
  }
  return std::nullopt;
}

std::optional<double> gauge_value(const Point& point, std::string_view name) {
  const auto found = point.gauges.find(name);
  if (found == point.gauges.end()) return std::nullopt;
  if (is_amount(name)) return found->second.sum;
  if (!(found->second.seconds > 0)) return std::nullopt;
  return found->second.sum / found->second.seconds;
}

std::optional<double> hit_rate(std::uint64_t hits, std::uint64_t misses) {
  return ratio(number(hits), number(hits) + number(misses));
}

std::optional<double> query_value(const Point& point, const TypePoint& figures, std::string_view name) {
  for (const QueryMetric& metric : kQueryMetrics) {
    if (name == metric.name) return metric.figure(figures, point);
  }
  return wait_value(figures, name);
}

}  // namespace

const std::vector<MetricInfo>& known_metrics() {
  static const std::vector<MetricInfo> kList = make_list();
  return kList;
}

const MetricInfo* find_metric(std::string_view name) {
  if (name == "queries_per_second") name = "qps";
  const auto& list = known_metrics();
  const auto found = std::find_if(list.begin(), list.end(), [&](const MetricInfo& metric) {
    return metric.name == name || (!name.empty() && metric.short_name == name);
  });
  return found == list.end() ? nullptr : &*found;
}

std::string unknown_metric_message(std::string_view name) {
  std::string message = "there is no metric \"" + std::string(name) + "\"; known are: ";
  const char* separator = "";
  for (const MetricInfo& metric : known_metrics()) {
    message += separator + (metric.short_name.empty() ? metric.name : metric.short_name);
    separator = ", ";
  }
  return message;
}

std::optional<double> metric_value(const Point& point, std::string_view metric, std::optional<std::string_view> type) {
  const MetricInfo* info = find_metric(metric);
  if (info == nullptr || (type && !info->per_type)) return std::nullopt;
  static const TypePoint kIdle;
  const TypePoint* figures = &point.total;
  if (type) {
    const auto found = point.types.find(std::string(*type));
    figures = found == point.types.end() ? &kIdle : &found->second;
  }
  if (info->name == "cache_metrics.hit_rate") {
    return type ? hit_rate(figures->cache_hits, figures->cache_misses) : hit_rate(point.cache_hits, point.cache_misses);
  }
  if (info->per_type) return query_value(point, *figures, info->name);
  for (const PointMetric& other : kPointMetrics) {
    if (info->name == other.name) return other.figure(point);
  }
  return gauge_value(point, info->name);
}

}  // namespace outrider
