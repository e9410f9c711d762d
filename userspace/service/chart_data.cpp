#include "userspace/service/chart_data.h"

#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/model/metric.h"
#include "userspace/model/utf8.h"
#include "userspace/model/wait_names.h"
#include "userspace/service/health_trend.h"
#include "userspace/service/restarts.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

// Four rows an octave: a row's edges are 19 % apart, which is about what a screen can show of six decades.
constexpr std::uint32_t kBucketsPerRow = OUTRIDER_HIST_SUB / 4;

constexpr const char* kQueryColumns[] = {"avg", "p50", "p95", "p99", "qps", "queries", "error_rate", "cache_hit_rate"};
constexpr const char* kTargetColumns[] = {"peak_concurrent",
                                          "current_concurrent",
                                          "health",
                                          "up_seconds",
                                          "stalled_seconds",
                                          "down_seconds",
                                          "target_metrics.cpu_usage",
                                          "system_metrics.cpu_usage",
                                          "target_metrics.memory_usage",
                                          "system_metrics.memory_usage",
                                          "target_metrics.rss_mb",
                                          "overhead.percent_of_target_cpu"};
// Amounts, told as rates: a step that was seen in part has a part of the amount, and the same rate.
constexpr const char* kRateColumns[] = {"target_metrics.disk_read_mb", "target_metrics.disk_write_mb",
                                        "target_metrics.network_rx_mb", "target_metrics.network_tx_mb"};

struct Column {
  std::string name, unit;
  const MetricInfo* metric = nullptr;
  bool rate = false;
};

const std::vector<Column>& columns() {
  static const std::vector<Column> kColumns = [] {
    std::vector<Column> all;
    const auto add = [&](const std::string& name) {
      const MetricInfo* metric = find_metric(name);
      all.push_back({name, metric->unit, metric});
    };
    for (const char* name : kQueryColumns) add(name);
    for (const char* wait : kWaitNames) add(std::string("waits.") + wait + "_share");
    for (const char* name : kTargetColumns) add(name);
    for (const char* name : kRateColumns) {
      all.push_back({std::string(name) + "_per_second", "MiB/s", find_metric(name), true});
    }
    return all;
  }();
  return kColumns;
}

struct Row {
  std::vector<std::optional<double>> values;
  bool watched = false;
  std::map<std::uint32_t, std::uint64_t> heat;  ///< counts by row of the heat map
};

struct ChartRows {
  explicit ChartRows(std::int64_t now_ms) : restarts(now_ms) {}

  History window;
  std::map<std::int64_t, Row> rows;  ///< by the begin of the step
  Restarts restarts;
};

std::optional<double> column_value(const Point& point, const Column& column, const std::optional<std::string>& type) {
  if (!column.rate) return metric_value(point, column.metric->name, type);
  const auto found = point.gauges.find(column.metric->name);
  if (found == point.gauges.end() || !(found->second.seconds > 0)) return std::nullopt;
  return found->second.sum / found->second.seconds;
}

void add_heat(const Point& point, const std::optional<std::string>& type, Row& row) {
  row.watched = point.watched_seconds > 0;
  const TypePoint* figures = &point.total;
  if (type) {
    const auto found = point.types.find(*type);
    if (found == point.types.end()) return;
    figures = &found->second;
  }
  for (const BucketCount& bucket : figures->histogram) row.heat[bucket.bucket / kBucketsPerRow] += bucket.count;
}

// Reads the columns that are of the whole target, or (`of_queries`) of the queries.
Status read_columns(HistoryQuery query, const HistorySource& source, bool of_queries, bool of_target, ChartRows& data) {
  query.parts.all_gauges = false;
  query.parts.histograms = of_queries;
  for (const Column& column : columns()) {
    if (of_target && !column.metric->per_type) query.parts.gauges.push_back(column.metric->name);
  }
  if (of_target) query.parts.gauges.emplace_back(Restarts::kGauge);
  const auto visit = [&](const Point& point) {
    Row& row = data.rows[point.begin_ms];
    row.values.resize(columns().size());
    for (std::size_t i = 0; i < columns().size(); ++i) {
      const bool wanted = columns()[i].metric->per_type ? of_queries : of_target;
      if (wanted) row.values[i] = column_value(point, columns()[i], query.type);
    }
    if (of_queries) add_heat(point, query.type, row);
    if (of_target) data.restarts.add(point);
  };
  Result<History> window = source.for_each_step ? source.for_each_step(query, visit) : source.history(query);
  if (!window) return window.error();
  for (const Point& point : window->points) visit(point);
  window->points.clear();
  data.window = std::move(*window);
  return Ok{};
}

Json rounded(const std::optional<double>& value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  if (*value == 0) return 0;
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::fabs(*value))));
  const double digits = std::round(*value * scale) / scale;
  return std::isfinite(digits) ? Json(digits) : Json(*value);
}

Json heat_map_json(const ChartRows& data, std::int64_t steps) {
  std::uint32_t first = OUTRIDER_HIST_BUCKETS;
  std::uint32_t last = 0;
  for (const auto& [begin, row] : data.rows) {
    if (row.heat.empty()) continue;
    first = std::min(first, row.heat.begin()->first);
    last = std::max(last, row.heat.rbegin()->first);
  }
  Json edges = Json::array();
  for (std::uint32_t row = first; row <= last + 1 && first <= last; ++row) {
    edges.push_back(static_cast<double>(outrider_hist_lower(row * kBucketsPerRow)) / 1e9);
  }
  std::vector<Json> cells(static_cast<std::size_t>(steps), Json(nullptr));
  for (const auto& [begin, row] : data.rows) {
    Json& cell = cells[static_cast<std::size_t>((begin - data.window.from_ms) / data.window.step_ms)];
    if (row.watched) cell = Json::array();
    for (const auto& [index, count] : row.heat) {
      cell.push_back(index - first);
      cell.push_back(count);
    }
  }
  return {{"lower_seconds", std::move(edges)}, {"columns", std::move(cells)}};
}

Json columns_json(const ChartRows& data, std::int64_t steps) {
  Json all = Json::object();
  for (std::size_t i = 0; i < columns().size(); ++i) {
    std::vector<Json> values(static_cast<std::size_t>(steps), Json(nullptr));
    for (const auto& [begin, row] : data.rows) {
      values[static_cast<std::size_t>((begin - data.window.from_ms) / data.window.step_ms)] = rounded(row.values[i]);
    }
    all[columns()[i].name] = std::move(values);
  }
  return all;
}

Json metrics_json(bool of_type) {
  Json all = Json::object();
  for (const Column& column : columns()) {
    all[column.name] = {{"unit", column.unit}, {"of_type", of_type && column.metric->per_type}};
  }
  return all;
}

Json trend_json(const ChartRows& data) {
  std::size_t health = 0;
  while (columns()[health].name != "health") ++health;
  std::vector<HealthMark> marks;
  std::optional<double> now;
  for (const auto& [begin, row] : data.rows) {
    if (!row.values[health]) continue;
    now = *row.values[health];
    marks.push_back({begin, *now});
  }
  return health_trend_json(marks, data.window.from_ms, data.window.to_ms, now);
}

}  // namespace

Result<Json> chart_data_json(const HistoryParameters& parameters, const HistorySource& source, std::int64_t now_ms) {
  const Result<HistoryRequest> asked = parse_history_request(parameters, source, now_ms, kChartPoints);
  if (!asked) return asked.error();
  HistoryQuery query = asked->query;
  Status few = check_steps(query.to_ms - query.from_ms, query.step_ms, kMaxChartSteps);
  if (!few) return few.error();
  ChartRows data(now_ms);
  if (query.type) {
    if (Status read = read_columns(query, source, true, false, data); !read) return read.error();
    query.type.reset();
  }
  const bool of_type = asked->query.type.has_value();
  if (Status read = read_columns(query, source, !of_type, true, data); !read) return read.error();
  const History& window = data.window;
  const std::int64_t steps = (window.to_ms - window.from_ms + window.step_ms - 1) / window.step_ms;
  return Json{{"target", valid_utf8(query.target)},
              {"type", of_type ? Json(valid_utf8(*asked->query.type)) : Json(nullptr)},
              {"from", window.from_ms},
              {"to", window.to_ms},
              {"step_seconds", static_cast<double>(window.step_ms) / 1000},
              {"resolution_seconds", static_cast<double>(window.resolution_ms) / 1000},
              {"rounded", window.rounded},
              {"metrics", metrics_json(of_type)},
              {"columns", columns_json(data, steps)},
              {"heat_map", heat_map_json(data, steps)},
              {"restarts", data.restarts.times()},
              {"health_trend", trend_json(data)}};
}

}  // namespace outrider
