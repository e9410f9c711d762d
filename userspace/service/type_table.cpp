#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/model/metric.h"
#include "userspace/model/utf8.h"
#include "userspace/model/wait_names.h"
#include "userspace/service/chart_data.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

// Those that took most time: a month of an application's statements may have a hundred times as many.
constexpr std::size_t kMostTypes = 1'000;

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::int64_t kDayMs = 24 * kHourMs;

Json value_of(const Point& point, const char* metric, const std::string& type) {
  const std::optional<double> value = metric_value(point, metric, type);
  return value ? Json(*value) : Json(nullptr);
}

Json figures_json(const Point& point, const std::string& type) {
  return {{"queries", value_of(point, "queries", type)},
          {"queries_per_second", value_of(point, "qps", type)},
          {"avg_response_time_seconds", value_of(point, "avg", type)},
          {"p95_response_time_seconds", value_of(point, "p95", type)},
          {"p99_response_time_seconds", value_of(point, "p99", type)},
          {"error_rate", value_of(point, "error_rate", type)}};
}

Json waits_json(const Point& point, const std::string& type) {
  Json waits = Json::object();
  for (const char* wait : kWaitNames) {
    const std::optional<double> share = metric_value(point, std::string("waits.") + wait + "_share", type);
    if (!share) return nullptr;
    if (*share > 0) waits[wait] = *share;
  }
  return waits;
}

Json type_json(const Point& now, const Point& before, const std::string& type, std::uint64_t all_ns) {
  Json json = {{"name", valid_utf8(type)}};
  json.update(figures_json(now, type));
  const auto ns = static_cast<double>(now.types.at(type).duration_ns);
  json["share"] = all_ns > 0 ? Json(ns / static_cast<double>(all_ns)) : Json(nullptr);
  json["cache_hit_rate"] = value_of(now, "cache_hit_rate", type);
  json["waits"] = waits_json(now, type);
  json["before"] = before.types.contains(type) ? figures_json(before, type) : Json(nullptr);
  return json;
}

// Whole minutes and hours are read from the coarse steps, of which there are few.
void widen(HistoryQuery& query) {
  const std::int64_t length = query.to_ms - query.from_ms;
  const std::int64_t grid = length >= kDayMs ? kHourMs : length >= 5 * kMinuteMs ? kMinuteMs : 1'000;
  query.from_ms = floor_to_step(query.from_ms, grid);
  query.to_ms = ceil_to_step(query.to_ms, grid);
  query.step_ms = 0;
}

// Whole hours back, and over before the window begins. What the window was widened by, at each end less than a step,
// makes no further hour of it.
HistoryQuery earlier_than(const HistoryQuery& window, std::int64_t asked_ms, std::int64_t step_ms) {
  HistoryQuery earlier = window;
  const std::int64_t shift = ceil_to_step(std::max<std::int64_t>(asked_ms - 2 * step_ms, 1), kHourMs);
  earlier.from_ms -= shift;
  earlier.to_ms = std::min(window.to_ms - shift, window.from_ms);
  return earlier;
}

Result<Point> read_point(const HistoryQuery& query, const HistorySource& source) {
  Result<History> history = source.history(query);
  if (!history) return history.error();
  return history->points.empty() ? Point{} : std::move(history->points.front());
}

}  // namespace

Result<Json> type_table_json(const HistoryParameters& parameters, const HistorySource& source, std::int64_t now_ms) {
  const Result<HistoryRequest> asked = parse_history_request(parameters, source, now_ms, kChartPoints);
  if (!asked) return asked.error();
  HistoryQuery query = asked->query;
  query.type.reset();
  query.all_types = true;
  query.parts.all_gauges = false;
  const std::int64_t asked_ms = query.to_ms - query.from_ms;
  widen(query);
  const Result<Point> now = read_point(query, source);
  if (!now) return now.error();
  const HistoryQuery earlier = earlier_than(query, asked_ms, asked->query.step_ms);
  const Result<Point> before = read_point(earlier, source);
  if (!before) return before.error();
  std::vector<std::pair<std::uint64_t, std::string>> order;
  order.reserve(now->types.size());
  for (const auto& [name, type] : now->types) order.emplace_back(type.duration_ns, name);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  const std::size_t left_out = order.size() - std::min(order.size(), kMostTypes);
  order.resize(order.size() - left_out);
  Json types = Json::array();
  for (const auto& [ns, name] : order) types.push_back(type_json(*now, *before, name, now->total.duration_ns));
  return Json{{"target", valid_utf8(query.target)}, {"from", query.from_ms},      {"to", query.to_ms},
              {"before_from", earlier.from_ms},     {"before_to", earlier.to_ms}, {"seconds", now->watched_seconds},
              {"queries", now->total.queries},      {"types", std::move(types)},  {"types_left_out", left_out}};
}

}  // namespace outrider
