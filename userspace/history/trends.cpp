#include "userspace/history/trends.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>

#include "userspace/base/units.h"
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

MetricTrend compare_windows(const MetricInfo& metric, const std::array<History, 3>& windows) {
  const auto now = values_of(windows[0], metric);
  const auto before = values_of(windows[1], metric);
  const auto yesterday = values_of(windows[2], metric);
  const auto judged = [&](const std::vector<double>& other) {
    return now.size() >= kTrendValues && other.size() >= kTrendValues;
  };
  return {&metric, compare(now, before), compare(now, yesterday), judged(before), judged(yesterday)};
}

nlohmann::ordered_json verdict(const Trend& trend, bool judged) {
  return judged ? nlohmann::ordered_json(trend.significant) : nlohmann::ordered_json(nullptr);
}

}  // namespace

std::int64_t compared_window_ms(std::int64_t window_ms) {
  return kBlocks * std::max<std::int64_t>(window_ms / kBlocks / 1000, 1) * 1000;
}

Result<std::vector<MetricTrend>> read_trends(const std::string& target, const HistorySource& source,
                                             std::int64_t window_ms, std::int64_t now_ms) {
  if (window_ms < kShortestTrendMs) {
    return Error{fmt::format("a window of {} is too short for a trend: give {} or more, and 8m or more for a verdict "
                             "against yesterday",
                             format_duration(std::chrono::milliseconds(window_ms)),
                             format_duration(std::chrono::milliseconds(kShortestTrendMs))),
                 EINVAL};
  }
  HistoryQuery query;
  query.target = target;
  const std::int64_t length = compared_window_ms(window_ms);
  query.step_ms = length / kBlocks;
  const std::int64_t end = floor_to_step(now_ms, query.step_ms);
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
  trends.reserve(kMainMetrics.size());
  for (const char* name : kMainMetrics) trends.push_back(compare_windows(*find_metric(name), windows));
  return trends;
}

nlohmann::ordered_json to_json(const std::vector<MetricTrend>& trends, std::int64_t window_ms) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const MetricTrend& trend : trends) {
    all.push_back({{"metric", trend.metric->name},
                   {"unit", trend.metric->unit},
                   {"window_seconds", static_cast<double>(compared_window_ms(window_ms)) / 1000},
                   {"now", nullable(trend.before.now)},
                   {"before", nullable(trend.before.before)},
                   {"change", nullable(trend.before.change)},
                   {"significant", verdict(trend.before, trend.before_judged)},
                   {"yesterday", nullable(trend.yesterday.before)},
                   {"change_since_yesterday", nullable(trend.yesterday.change)},
                   {"significant_since_yesterday", verdict(trend.yesterday, trend.yesterday_judged)}});
  }
  return all;
}

}  // namespace outrider
