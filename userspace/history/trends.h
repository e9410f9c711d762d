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

/// Below this a window cannot be cut into blocks that are compared.
inline constexpr std::int64_t kShortestTrendMs = 30'000;

/// What a window is compared as: 30 blocks of whole seconds, so that 100 s are 90 s.
std::int64_t compared_window_ms(std::int64_t window_ms);

/// A metric over compared_window_ms() up to now, against the stretch before it and the same hours yesterday.
struct MetricTrend {
  const MetricInfo* metric = nullptr;
  Trend before, yesterday;
  /// Whether both sides had the values that a verdict takes; without, Trend::significant says nothing. Points of
  /// yesterday are a minute long, so that it takes a window of some 8 minutes.
  bool before_judged = false, yesterday_judged = false;
};

/// For each main metric. Error (EINVAL): a window shorter than kShortestTrendMs.
Result<std::vector<MetricTrend>> read_trends(const std::string& target, const HistorySource& source,
                                             std::int64_t window_ms, std::int64_t now_ms);
/// [{metric, unit, window_seconds, now, before, change, significant, yesterday, change_since_yesterday,
/// significant_since_yesterday}]; `significant...` is null where there can be no verdict. `window_ms` as it was asked
/// for; window_seconds is what was compared.
nlohmann::ordered_json to_json(const std::vector<MetricTrend>& trends, std::int64_t window_ms);

}  // namespace outrider
