// How the main metrics of a target have changed: against the stretch before, and against the same hours yesterday. Pure
// but for the store that is handed in.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "userspace/history/history_view.h"
#include "userspace/model/trend.h"

namespace outrider {

/// A metric over `window_ms` up to `now_ms`, against the stretch before it and the same hours yesterday.
struct MetricTrend {
  const MetricInfo* metric = nullptr;
  Trend before, yesterday;
};

/// For each main metric. Means are taken over 30 blocks of the window.
Result<std::vector<MetricTrend>> read_trends(const std::string& target, const HistorySource& source,
                                             std::int64_t window_ms, std::int64_t now_ms);
/// [{metric, unit, window_seconds, now, before, change, significant, yesterday, change_since_yesterday,
/// significant_since_yesterday}]
nlohmann::ordered_json to_json(const std::vector<MetricTrend>& trends, std::int64_t window_ms);

}  // namespace outrider
