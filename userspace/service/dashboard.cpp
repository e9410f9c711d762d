#include "userspace/service/dashboard.h"

#include <optional>
#include <utility>
#include <vector>

#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"
#include "userspace/service/alerts_json.h"
#include "userspace/service/chart_data.h"
#include "userspace/service/health_trend.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

struct Dataset {
  const char *label, *metric;
};

struct Chart {
  const char *title, *unit;
  std::vector<Dataset> datasets;
};

const std::vector<Chart>& charts() {
  static const std::vector<Chart> kCharts = {
      {"Response Time", "seconds", {{"average", "avg"}, {"p50", "p50"}, {"p95", "p95"}, {"p99", "p99"}}},
      {"Throughput", "1/s", {{"queries per second", "qps"}}},
      {"Errors", "ratio", {{"error rate", "error_rate"}}},
      {"Resource Usage",
       "percent",
       {{"CPU of the target", "target_metrics.cpu_usage"}, {"CPU of the host", "system_metrics.cpu_usage"}}},
      {"Memory Usage",
       "ratio",
       {{"memory of the target", "target_metrics.memory_usage"},
        {"memory of the host", "system_metrics.memory_usage"}}},
      {"Cache Performance", "ratio", {{"hit rate", "cache_hit_rate"}}},
      {"Concurrency", "queries", {{"peak", "peak_concurrent"}}},
      {"Health", "points", {{"health score", "health"}}},
  };
  return kCharts;
}

Json nullable(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json charts_json(const History& history) {
  Json all = Json::array();
  for (const Chart& chart : charts()) {
    Json datasets = Json::array();
    for (const Dataset& dataset : chart.datasets) {
      Json data = Json::array();
      for (const Point& point : history.points) {
        data.push_back(Json::array({point.begin_ms, nullable(metric_value(point, dataset.metric))}));
      }
      datasets.push_back({{"label", dataset.label}, {"metric", find_metric(dataset.metric)->name}, {"data", data}});
    }
    all.push_back({{"title", chart.title}, {"unit", chart.unit}, {"type", "line"}, {"datasets", datasets}});
  }
  return all;
}

Json health_trend(const History& history, const Snapshot* current) {
  std::vector<HealthMark> marks;
  for (const Point& point : history.points) {
    if (const auto value = metric_value(point, "health")) marks.push_back({point.begin_ms, *value});
  }
  return health_trend_json(marks, history.from_ms, history.to_ms,
                           current != nullptr ? std::optional(current->health_score) : std::nullopt);
}

}  // namespace

Result<Json> dashboard_json(const DashboardRequest& request, const HistorySource& source) {
  HistoryParameters parameters;
  parameters["target"] = request.target;
  parameters["since"] = std::to_string(request.window_ms) + "ms";
  Result<HistoryRequest> asked = parse_history_request(parameters, source, request.now_ms, kChartPoints);
  if (!asked) return asked.error();
  Result<History> history = source.history(asked->query);
  if (!history) return history.error();
  return Json{{"target", valid_utf8(request.target)},
              {"current", request.current != nullptr ? to_json(*request.current) : Json(nullptr)},
              {"window_seconds", static_cast<double>(request.window_ms) / 1000},
              {"step_seconds", static_cast<double>(history->step_ms) / 1000},
              {"charts", charts_json(*history)},
              {"active_alerts",
               request.alerts != nullptr ? active_alerts_json(*request.alerts, request.target) : Json(nullptr)},
              {"health_trend", health_trend(*history, request.current)}};
}

}  // namespace outrider
