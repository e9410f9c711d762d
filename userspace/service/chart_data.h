// What the dashboard's charts and its table of query types are drawn from: columns of figures over a window, a heat map
// of latencies, and the figures of each type. Pure but for the history that is handed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "userspace/history/history_view.h"

namespace outrider {

/// Steps that one answer has at most.
inline constexpr std::int64_t kMaxChartSteps = 1'500;
/// Steps of an answer whose step nobody chose, at most.
inline constexpr std::size_t kChartPoints = 360;

/// Takes the parameters of history_view.h but for `metric`; of a step that is not given there are at most kChartPoints,
/// and none is shorter than the target's interval.
/// {target, type, from, to: Unix ms, step_seconds, resolution_seconds, rounded,
///  metrics: {NAME: {unit, of_type: it is of the type that was asked for}}, columns: {NAME: [a value or null a step]},
///  heat_map: {lower_seconds: [the lower edge of each row, and the upper one of the last], columns: [[row, count, row,
///  count, ...] a step, or null where nobody watched]}, restarts: [Unix ms, as in restarts.h], health_trend}. NAME is
///  the short one where there is one. Values have six digits.
Result<nlohmann::ordered_json> chart_data_json(const HistoryParameters& parameters, const HistorySource& source,
                                               std::int64_t now_ms);

/// Each type over a window (target, since, or from and to), and over the same window as much earlier as it takes whole
/// hours for the two not to overlap. Windows of 5 minutes and more are widened to whole minutes, of a day and more to
/// whole hours.
/// {target, from, to, before_from, before_to, seconds, queries, types: [{name, queries, queries_per_second, share:
/// of all queries' time, avg_..., p95_..., p99_response_time_seconds, error_rate, cache_hit_rate, waits: {cpu: share,
/// ...} or null, before: {queries, queries_per_second, avg_..., p95_..., p99_..., error_rate} or null}]}, those that
/// took most time first.
Result<nlohmann::ordered_json> type_table_json(const HistoryParameters& parameters, const HistorySource& source,
                                               std::int64_t now_ms);

}  // namespace outrider
