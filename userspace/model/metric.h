// One figure of a point of history by the name that snapshots, rules and the API use for it. Pure functions,
// thread-safe. Names are the fields of a snapshot ("query_metrics.p99_response_time_seconds",
// "target_metrics.cpu_usage") or the short forms ("p99", "qps", "waits.lock_share").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/model/point.h"

namespace outrider {

struct MetricInfo {
  std::string name;        ///< as in a snapshot
  std::string short_name;  ///< empty: none
  std::string unit;  ///< "seconds", "1/s", "ratio", "percent", "cores", "MiB", "queries", "ns", "points" or "count"
  bool per_type = false;  ///< exists for a single query type as well
};

/// Every metric, in the order in which a list shows them.
const std::vector<MetricInfo>& known_metrics();

/// Null if there is no metric of that name (full or short).
const MetricInfo* find_metric(std::string_view name);

/// The sentence for a name that find_metric() does not know, with all names that it does.
std::string unknown_metric_message(std::string_view name);

/// `metric` over the point's step, of all outermost queries or of one type. None if the name is unknown, if there is
/// no such figure for a single type, or if the step has nothing to take it from (no queries, not watched).
std::optional<double> metric_value(const Point& point, std::string_view metric,
                                   std::optional<std::string_view> type = std::nullopt);

}  // namespace outrider
