#include "userspace/history/history_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "userspace/base/did_you_mean.h"
#include "userspace/base/moment.h"
#include "userspace/base/units.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
// Steps that people read, in seconds; each is a multiple of a tier's step for the default tiers.
constexpr std::array<std::int64_t, 18> kNiceSteps = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                                     600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400};
constexpr std::array kParameters = {"target", "type", "metric", "since", "from", "to", "step"};

std::string value_of(const HistoryParameters& parameters, const char* name) {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string() : found->second;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// With steps shorter than `least_ms`, the interval of the readings, most would have no reading and look unwatched.
std::int64_t nice_step(std::int64_t window_ms, std::size_t max_rows, std::int64_t least_ms) {
  const auto rows = static_cast<std::int64_t>(max_rows);
  for (const std::int64_t seconds : kNiceSteps) {
    if (least_ms <= seconds * 1000 && window_ms <= seconds * 1000 * rows) return seconds * 1000;
  }
  constexpr std::int64_t kDayMs = 86'400'000;
  return ceil_to_step(std::max(window_ms / rows, least_ms), kDayMs);
}

Status read_metrics(const std::string& names, bool of_type, std::vector<const MetricInfo*>& metrics) {
  std::string left = names.empty() ? "qps,avg,p95,p99,error_rate" : names;
  while (!left.empty()) {
    const std::size_t comma = std::min(left.find(','), left.size());
    const std::string name = left.substr(0, comma);
    left.erase(0, comma + 1);
    const MetricInfo* metric = find_metric(name);
    if (metric == nullptr) return Error{unknown_metric_message(name), EINVAL};
    if (of_type && !metric->per_type) {
      return Error{fmt::format("{} is a figure of the whole target, not of one type: leave the type out", name),
                   EINVAL};
    }
    metrics.push_back(metric);
  }
  return Ok{};
}

Status read_window(const HistoryParameters& parameters, std::int64_t now_ms, HistoryQuery& query) {
  const std::string from = value_of(parameters, "from");
  const std::string to = value_of(parameters, "to");
  const std::string since = value_of(parameters, "since");
  if (!from.empty() && !since.empty()) return Error{"give either since or from, not both", EINVAL};
  query.to_ms = now_ms;
  query.from_ms = now_ms - kHourMs;
  if (!to.empty()) {
    const Result<std::int64_t> moment = parse_moment(to, now_ms);
    if (!moment) return Error{"to: " + moment.error().message, EINVAL};
    query.to_ms = *moment;
    query.from_ms = *moment - kHourMs;
  }
  const std::string& begin = from.empty() ? since : from;
  if (!begin.empty()) {
    const Result<std::int64_t> moment = parse_moment(begin, now_ms);
    if (!moment) return Error{(from.empty() ? "since: " : "from: ") + moment.error().message, EINVAL};
    query.from_ms = *moment;
  }
  if (query.from_ms >= query.to_ms) {
    return Error{fmt::format("the window ends ({}) before it begins ({})", format_timestamp(query.to_ms),
                             format_timestamp(query.from_ms)),
                 EINVAL};
  }
  return Ok{};
}

// And widens the window to whole steps.
Status read_step(const HistoryParameters& parameters, std::size_t max_rows, std::int64_t interval_ms,
                 HistoryQuery& query) {
  query.step_ms = nice_step(query.to_ms - query.from_ms, max_rows, interval_ms);
  if (const std::string step = value_of(parameters, "step"); !step.empty()) {
    const Result<std::chrono::milliseconds> parsed = parse_duration(step);
    if (!parsed) return Error{"step: " + parsed.error().message, EINVAL};
    query.step_ms = parsed->count();
  }
  // "So long ago" means no exact moment: whole steps are what is wanted, and answered exactly.
  if (value_of(parameters, "from").empty() && value_of(parameters, "to").empty()) {
    query.from_ms = floor_to_step(query.from_ms, query.step_ms);
    query.to_ms = ceil_to_step(query.to_ms, query.step_ms);
  }
  return Ok{};
}

Status check_size(const HistoryRequest& request) {
  const auto metrics = static_cast<std::int64_t>(request.metrics.size());
  return check_steps(request.query.to_ms - request.query.from_ms, request.query.step_ms,
                     std::min(kMaxHistorySteps, kMaxHistoryValues / metrics));
}

// The longest time is taken from the histogram as well: from its last bucket.
bool needs_histogram(const MetricInfo& metric) {
  static constexpr std::array<std::string_view, 5> kOfHistogram = {"p50", "p95", "p99", "p999", "max"};
  return std::find(kOfHistogram.begin(), kOfHistogram.end(), metric.short_name) != kOfHistogram.end();
}

PointParts parts_for(const std::vector<const MetricInfo*>& metrics) {
  PointParts parts;
  parts.histograms =
      std::any_of(metrics.begin(), metrics.end(), [](const auto* each) { return needs_histogram(*each); });
  parts.all_gauges = false;
  for (const MetricInfo* metric : metrics) {
    if (!metric->per_type) parts.gauges.push_back(metric->name);  // no gauge is stored of one that is none
  }
  return parts;
}

Status check_parameters(const HistoryParameters& parameters) {
  const std::vector<std::string_view> known(kParameters.begin(), kParameters.end());
  for (const auto& [name, value] : parameters) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return Error{fmt::format("there is no parameter '{}': {}", name, did_you_mean(name, known)), EINVAL};
  }
  return Ok{};
}

Status check_type(const HistoryQuery& query, const HistorySource& source) {
  const Result<std::vector<std::string>> types = source.types(query.target);
  if (!types) return types.error();
  if (std::find(types->begin(), types->end(), *query.type) != types->end()) return Ok{};
  return Error{fmt::format("{} has no queries of type '{}'; it has: {}", query.target, *query.type,
                           types->empty() ? "none" : listed(*types)),
               ENOENT};
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace

Result<std::string> choose_target(const std::string& wanted, const HistorySource& source, std::int64_t from_ms,
                                  std::int64_t to_ms) {
  Result<std::vector<std::string>> targets = source.targets();
  if (!targets) return targets.error();
  if (targets->empty()) return Error{"there is no history yet: nothing was watched", ENOENT};
  if (!wanted.empty()) {
    if (std::find(targets->begin(), targets->end(), wanted) != targets->end()) return wanted;
    return Error{fmt::format("there is no history of a target '{}', but of {}", wanted, listed(*targets)), ENOENT};
  }
  if (targets->size() > 1 && source.targets_in) {
    Result<std::vector<std::string>> in_window = source.targets_in(from_ms, to_ms);
    if (!in_window) return in_window.error();
    if (!in_window->empty()) targets = std::move(in_window);
  }
  if (targets->size() == 1) return targets->front();
  return Error{"which target? There is history of " + listed(*targets), EINVAL};
}

Result<HistoryRequest> parse_history_request(const HistoryParameters& parameters, const HistorySource& source,
                                             std::int64_t now_ms, std::size_t max_rows) {
  HistoryRequest request;
  if (Status known = check_parameters(parameters); !known) return known.error();
  const std::string type = value_of(parameters, "type");
  if (Status window = read_window(parameters, now_ms, request.query); !window) return window.error();
  const Status metrics = read_metrics(value_of(parameters, "metric"), !type.empty(), request.metrics);
  if (!metrics) return metrics.error();
  Result<std::string> target =
      choose_target(value_of(parameters, "target"), source, request.query.from_ms, request.query.to_ms);
  if (!target) return target.error();
  request.query.target = std::move(*target);
  const std::int64_t interval_ms = source.interval_ms ? source.interval_ms(request.query.target) : 0;
  if (Status step = read_step(parameters, max_rows, interval_ms, request.query); !step) return step.error();
  if (Status size = check_size(request); !size) return size.error();
  if (type.empty()) return request;
  request.query.type = type;
  if (Status exists = check_type(request.query, source); !exists) return exists.error();
  return request;
}

Result<HistoryTable> read_history(const HistoryRequest& request, const HistorySource& source) {
  HistoryTable table;
  table.request = request;
  HistoryQuery query = request.query;
  query.parts = parts_for(request.metrics);
  const auto add_row = [&](const Point& point) {
    HistoryTable::Row& row = table.rows.emplace_back();
    row.time_ms = point.begin_ms;
    row.values.reserve(request.metrics.size());
    for (const MetricInfo* metric : request.metrics) {
      row.values.push_back(metric_value(point, metric->name, query.type));
    }
  };
  Result<History> history = source.for_each_step ? source.for_each_step(query, add_row) : source.history(query);
  if (!history) return history.error();
  for (const Point& point : history->points) add_row(point);
  history->points.clear();
  table.window = std::move(*history);
  return table;
}

nlohmann::ordered_json to_json(const HistoryTable& table) {
  using Json = nlohmann::ordered_json;
  const HistoryQuery& query = table.request.query;
  Json json = {{"target", valid_utf8(query.target)},
               {"type", query.type ? Json(valid_utf8(*query.type)) : Json(nullptr)},
               {"from", format_timestamp(table.window.from_ms)},
               {"to", format_timestamp(table.window.to_ms)},
               {"step_seconds", static_cast<double>(table.window.step_ms) / 1000},
               {"resolution_seconds", static_cast<double>(table.window.resolution_ms) / 1000},
               {"rounded", table.window.rounded},
               {"percentile_error", kPercentileError},
               {"metrics", Json::array()},
               {"points", Json::array()}};
  for (const MetricInfo* metric : table.request.metrics) {
    json["metrics"].push_back({{"name", metric->name}, {"unit", metric->unit}});
  }
  for (const HistoryTable::Row& row : table.rows) {
    Json point = {{"timestamp", format_timestamp(row.time_ms)}};
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      point[table.request.metrics[i]->name] = row.values[i] ? Json(*row.values[i]) : Json(nullptr);
    }
    json["points"].push_back(std::move(point));
  }
  return json;
}

std::string to_csv(const HistoryTable& table) {
  std::string text = "timestamp";
  for (const MetricInfo* metric : table.request.metrics) text += "," + quoted(metric->name);
  text += "\r\n";
  for (const HistoryTable::Row& row : table.rows) {
    text += format_timestamp(row.time_ms);
    for (const auto& value : row.values) text += value ? fmt::format(",{}", *value) : std::string(",");
    text += "\r\n";
  }
  return text;
}

}  // namespace outrider
