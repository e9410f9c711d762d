#include "userspace/history/trends.h"

#include <array>
#include <optional>

#include "userspace/model/metric.h"

namespace outrider {
namespace {

constexpr std::int64_t kBlocks = 30;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::array kMainMetrics = {"avg",
                                     "p95",
                                     "p99",
                                     "qps",
                                     "error_rate",
                                     "cache_hit_rate",
                                     "target_metrics.cpu_usage",
                                     "target_metrics.memory_usage",
                                     "health"};

std::vector<double> values_of(const History& history, const MetricInfo& metric) {
  std::vector<double> values;
  for (const Point& point : history.points) {
    if (const auto value = metric_value(point, metric.name)) values.push_back(*value);
  }
  return values;
}

nlohmann::ordered_json nullable(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

Result<std::vector<MetricTrend>> read_trends(const std::string& target, const HistorySource& source,
                                             std::int64_t window_ms, std::int64_t now_ms) {
  HistoryQuery query;
  query.target = target;
  query.step_ms = std::max<std::int64_t>(window_ms / kBlocks / 1000, 1) * 1000;
  const std::int64_t end = floor_to_step(now_ms, query.step_ms);
  const std::int64_t length = kBlocks * query.step_ms;
  std::array<History, 3> windows;  // now, before, yesterday
  const std::array<std::int64_t, 3> ends = {end, end - length, floor_to_step(end - kDayMs, query.step_ms)};
  for (std::size_t i = 0; i < windows.size(); ++i) {
    query.from_ms = ends[i] - length;
    query.to_ms = ends[i];
    Result<History> read = source.history(query);
    if (!read) return read.error();
    windows[i] = std::move(*read);
  }
  std::vector<MetricTrend> trends;
  for (const char* name : kMainMetrics) {
    const MetricInfo* metric = find_metric(name);
    const auto now = values_of(windows[0], *metric);
    trends.push_back(
        {metric, compare(now, values_of(windows[1], *metric)), compare(now, values_of(windows[2], *metric))});
  }
  return trends;
}

nlohmann::ordered_json to_json(const std::vector<MetricTrend>& trends, std::int64_t window_ms) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const MetricTrend& trend : trends) {
    all.push_back({{"metric", trend.metric->name},
                   {"unit", trend.metric->unit},
                   {"window_seconds", static_cast<double>(window_ms) / 1000},
                   {"now", nullable(trend.before.now)},
                   {"before", nullable(trend.before.before)},
                   {"change", nullable(trend.before.change)},
                   {"significant", trend.before.significant},
                   {"yesterday", nullable(trend.yesterday.before)},
                   {"change_since_yesterday", nullable(trend.yesterday.change)},
                   {"significant_since_yesterday", trend.yesterday.significant}});
  }
  return all;
}

}  // namespace outrider
