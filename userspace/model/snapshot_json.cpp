#include "userspace/model/snapshot_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/snapshot_fields.h"
#include "userspace/model/utf8.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json nullable(const std::optional<T>& figure) {
  return figure ? Json(*figure) : Json(nullptr);
}

Json waits_json(const std::optional<WaitSeconds>& waits) {
  if (!waits) return nullptr;
  Json json = Json::object();
  for (std::size_t i = 0; i < waits->size(); ++i) json[fmt::format("{}_seconds", kWaitNames[i])] = (*waits)[i];
  return json;
}

Json name_or_null(const std::shared_ptr<const ClientSession>& session, std::string ClientSession::*name) {
  return session && !((*session).*name).empty() ? Json((*session).*name) : Json(nullptr);
}

Json type_json(const TypeMetrics& type) {
  return {{"count", type.count},
          {"failed", type.failed},
          {"abandoned", type.abandoned},
          {"queries_per_second", type.queries_per_second},
          {"avg_response_time_seconds", nullable(type.avg_response_time_seconds)},
          {"p50_response_time_seconds", nullable(type.p50_response_time_seconds)},
          {"p95_response_time_seconds", nullable(type.p95_response_time_seconds)},
          {"p99_response_time_seconds", nullable(type.p99_response_time_seconds)},
          {"success_rate", nullable(type.success_rate)},
          {"cache_hit_rate", nullable(type.cache_hit_rate)},
          {"waits", waits_json(type.waits)},
          {"statement", type.statement ? Json(*type.statement) : Json(nullptr)},
          {"database", name_or_null(type.session, &ClientSession::database)},
          {"user", name_or_null(type.session, &ClientSession::user)}};
}

using Types = std::map<std::string, TypeMetrics>;

double interval_seconds(const TypeMetrics& type) {
  return static_cast<double>(type.interval_count) * type.avg_response_time_seconds.value_or(0);
}

// The `most` types that took most time, in the order of their names.
std::vector<const Types::value_type*> choose(const Types& types, std::size_t most) {
  std::vector<const Types::value_type*> chosen;
  chosen.reserve(types.size());
  for (const auto& type : types) chosen.push_back(&type);
  if (chosen.size() <= most) return chosen;
  const auto end = chosen.begin() + static_cast<std::ptrdiff_t>(most);
  std::partial_sort(chosen.begin(), end, chosen.end(), [](const auto* a, const auto* b) {
    return interval_seconds(a->second) > interval_seconds(b->second);
  });
  chosen.erase(end, chosen.end());
  std::sort(chosen.begin(), chosen.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  return chosen;
}

Json query_json(const QueryMetrics& metrics, std::size_t most_types) {
  Json json = {{"total_queries", metrics.total_queries},       {"successful_queries", metrics.successful_queries},
               {"failed_queries", metrics.failed_queries},     {"abandoned_queries", metrics.abandoned_queries},
               {"interval_queries", metrics.interval_queries}, {"queries_per_second", metrics.queries_per_second}};
  for_each_query_figure(metrics, [&](const char* name, const auto& figure) { json[name] = nullable(figure); });
  json["percentile_error"] = kPercentileError;
  json["waits"] = waits_json(metrics.waits);
  Json& types = json["query_type_breakdown"] = Json::object();
  for (const auto* type : choose(metrics.query_type_breakdown, most_types)) {
    types[valid_utf8(type->first)] = type_json(type->second);
  }
  Json& blocking = json["blocking"] = Json::array();
  for (const Blocking& one : metrics.blocking) {
    blocking.push_back({{"type", valid_utf8(one.type)},
                        {"blocked_by", one.blocked_by.empty() ? Json(nullptr) : Json(valid_utf8(one.blocked_by))},
                        {"wait", one.wait},
                        {"count", one.count},
                        {"seconds", one.seconds},
                        {"share", nullable(one.share)}});
  }
  Json& phases = json["phases"] = Json::object();
  for (const auto& [name, phase] : metrics.phases) {
    Json& figures = phases[valid_utf8(name)] = {{"count", nullptr}, {"seconds", nullptr}};
    if (phase.probed) figures = {{"count", phase.count}, {"seconds", phase.seconds}};
  }
  return json;
}

Json resource_json(const ResourceMetrics& metrics, bool of_target) {
  Json json = Json::object();
  for_each_resource(metrics, of_target, [&](const char* name, const auto& figure) { json[name] = nullable(figure); });
  return json;
}

Json deductions_json(const std::vector<HealthDeduction>& deductions) {
  Json json = Json::array();
  for (const HealthDeduction& deduction : deductions) {
    json.push_back({{"rule", deduction.rule},
                    {"value", deduction.value},
                    {"threshold", deduction.threshold},
                    {"penalty", deduction.penalty}});
  }
  return json;
}

Json losses_json(const Losses& losses) {
  Json json = Json::object();
  for (const auto& [reason, count] : losses.counts) json[reason] = count;
  json["unavailable"] = Json::array();
  for (const std::string& line : losses.unavailable) json["unavailable"].push_back(valid_utf8(line));
  return json;
}

}  // namespace

std::string format_timestamp(std::int64_t unix_ms) {
  const std::int64_t ms = ((unix_ms % 1000) + 1000) % 1000;
  const std::time_t seconds = (unix_ms - ms) / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", utc, ms);
}

nlohmann::ordered_json to_json(const Availability& availability) {
  return {{"state", availability.state},
          {"ratio_1h", nullable(availability.ratio_1h)},
          {"ratio_24h", nullable(availability.ratio_24h)},
          {"ratio_30d", nullable(availability.ratio_30d)},
          {"error_budget_left", nullable(availability.error_budget_left)}};
}

nlohmann::ordered_json to_json(const Snapshot& snapshot, std::size_t most_types) {
  Json json = {{"timestamp", format_timestamp(snapshot.timestamp_ms)},
               {"target", valid_utf8(snapshot.target)},
               {"interval_seconds", snapshot.interval_seconds}};
  if (snapshot.summary) json["summary"] = true;
  if (snapshot.estimated) json["estimated"] = true;
  json["query_metrics"] = query_json(snapshot.query_metrics, most_types);
  json["system_metrics"] = resource_json(snapshot.system_metrics, false);
  json["target_metrics"] = resource_json(snapshot.target_metrics, true);
  json["cache_metrics"] = {{"hit_rate", nullable(snapshot.cache_metrics.hit_rate)},
                           {"hits", snapshot.cache_metrics.hits},
                           {"misses", snapshot.cache_metrics.misses},
                           {"sampled_share", snapshot.cache_metrics.sampled_share}};
  json["health_score"] = snapshot.health_score;
  json["health_deductions"] = deductions_json(snapshot.health_deductions);
  if (snapshot.availability) json["availability"] = to_json(*snapshot.availability);
  json["overhead"] = {{"ns_per_query", nullable(snapshot.overhead.ns_per_query)},
                      {"percent_of_target_cpu", nullable(snapshot.overhead.percent_of_target_cpu)},
                      {"mode", snapshot.overhead.mode},
                      {"sampled_share", snapshot.overhead.sampled_share}};
  json["losses"] = losses_json(snapshot.losses);
  return json;
}

std::string to_json_line(const Snapshot& snapshot) {
  return to_json(snapshot).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace outrider
