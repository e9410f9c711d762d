// History as people and programs ask for it: which metrics of which target and type, over which window, in which steps;
// and the answer as a table. Shared by `outrider history` and the API. Functions are pure but for the store they are
// handed; not thread-safe with respect to that.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/metric.h"
#include "userspace/store/store_reader.h"

namespace outrider {

/// Where history is read: a running store, or its file in another process.
struct HistorySource {
  std::function<Result<History>(const HistoryQuery&)> history;
  std::function<Result<std::vector<std::string>>()> targets;
  std::function<Result<std::vector<std::string>>(const std::string& target)> types;
  /// As `history`, a point at a time. Without it, all points of an answer are in memory at once.
  std::function<Result<History>(const HistoryQuery&, const VisitStep&)> for_each_step = nullptr;
  /// Those with points in [from_ms, to_ms). Without it, all of `targets` count as such.
  std::function<Result<std::vector<std::string>>(std::int64_t from_ms, std::int64_t to_ms)> targets_in = nullptr;
  /// How often a target is read; 0: not known. Without it, it is known of none.
  std::function<std::int64_t(const std::string& target)> interval_ms = nullptr;
};

/// The parameters by their names, as in the query string: target, type, metric (comma-separated), since, from, to,
/// step.
using HistoryParameters = std::map<std::string, std::string>;

struct HistoryRequest {
  HistoryQuery query;
  std::vector<const MetricInfo*> metrics;  ///< point into known_metrics()
};

/// Steps times metrics of one answer: its rows, and the text that is made of them, are in memory at once.
inline constexpr std::int64_t kMaxHistoryValues = 5 * kMaxHistorySteps;

/// One row a step: none where the step has nothing to take the metric from.
struct HistoryTable {
  HistoryRequest request;
  History window;  ///< without its points
  struct Row {
    std::int64_t time_ms = 0;
    std::vector<std::optional<double>> values;
  };
  std::vector<Row> rows;
};

/// Defaults: the last hour; the only target that has points in it; queries/s, mean, p95, p99 and error rate; a step
/// that gives at most `max_rows` and is no shorter than the target's interval. A window that the step does not divide
/// is widened to it. Errors: an unknown parameter, target, type or metric (with those that there are), a window that
/// ends before it begins, more than kMaxHistorySteps steps or than kMaxHistoryValues values.
Result<HistoryRequest> parse_history_request(const HistoryParameters& parameters, const HistorySource& source,
                                             std::int64_t now_ms, std::size_t max_rows);

Result<HistoryTable> read_history(const HistoryRequest& request, const HistorySource& source);

/// {target, type, from, to, step_seconds, resolution_seconds, rounded, percentile_error, metrics: [{name, unit}],
/// points: [{timestamp, NAME: value or null}]}
nlohmann::ordered_json to_json(const HistoryTable& table);
/// A header line, then a line a step; times in UTC. RFC 4180, empty where there is no value.
std::string to_csv(const HistoryTable& table);

/// `wanted`, or, if it is empty, the only target that has points in [from_ms, to_ms): one that has been given another
/// name since is no second one. Error: there is none of that name, or no only one.
Result<std::string> choose_target(const std::string& wanted, const HistorySource& source, std::int64_t from_ms = 0,
                                  std::int64_t to_ms = std::numeric_limits<std::int64_t>::max());

}  // namespace outrider
