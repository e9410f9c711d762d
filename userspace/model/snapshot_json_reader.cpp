#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>

#include "userspace/base/moment.h"
#include "userspace/model/json_number.h"
#include "userspace/model/snapshot_fields.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

const Json& member(const Json& json, const char* name) {
  static const Json kNull;
  const auto found = json.find(name);
  return found == json.end() ? kNull : *found;
}

template <typename T>
void read(const Json& json, const char* name, std::optional<T>& figure) {
  const Json& value = member(json, name);
  figure.reset();
  if (value.is_null()) return;
  if constexpr (std::is_integral_v<T>) {
    figure = whole_number<T>(value);
  } else {
    figure = value.get<T>();
  }
}

std::optional<WaitSeconds> read_waits(const Json& json) {
  if (json.is_null()) return std::nullopt;
  WaitSeconds waits{};
  for (std::size_t i = 0; i < waits.size(); ++i) {
    waits[i] = json.value(std::string(kWaitNames[i]) + "_seconds", 0.0);
  }
  return waits;
}

TypeMetrics read_type(const Json& json, double interval_seconds) {
  TypeMetrics type;
  type.count = whole_number<std::uint64_t>(json.at("count"));
  type.failed = whole_number<std::uint64_t>(json.at("failed"));
  type.abandoned = whole_number<std::uint64_t>(json.at("abandoned"));
  type.queries_per_second = json.at("queries_per_second").get<double>();
  const double queries = type.queries_per_second * interval_seconds;
  constexpr double kMost = 1e15;  // what it cannot be is none
  type.interval_count = queries >= 0 && queries < kMost ? static_cast<std::uint64_t>(std::llround(queries)) : 0;
  read(json, "avg_response_time_seconds", type.avg_response_time_seconds);
  read(json, "p50_response_time_seconds", type.p50_response_time_seconds);
  read(json, "p95_response_time_seconds", type.p95_response_time_seconds);
  read(json, "p99_response_time_seconds", type.p99_response_time_seconds);
  read(json, "success_rate", type.success_rate);
  read(json, "cache_hit_rate", type.cache_hit_rate);
  type.waits = read_waits(member(json, "waits"));
  if (const Json& text = member(json, "statement"); text.is_string()) {
    type.statement = std::make_shared<const std::string>(text.get<std::string>());
  }
  ClientSession session;
  if (const Json& name = member(json, "database"); name.is_string()) session.database = name.get<std::string>();
  if (const Json& name = member(json, "user"); name.is_string()) session.user = name.get<std::string>();
  if (!session.database.empty() || !session.user.empty()) {
    type.session = std::make_shared<const ClientSession>(std::move(session));
  }
  return type;
}

PhaseMetrics read_phase(const Json& json) {
  PhaseMetrics phase;
  phase.probed = !member(json, "count").is_null();
  if (!phase.probed) return phase;
  phase.count = whole_number<std::uint64_t>(json.at("count"));
  phase.seconds = json.at("seconds").get<double>();
  return phase;
}

Blocking read_blocking(const Json& json) {
  Blocking blocking;
  blocking.type = json.at("type").get<std::string>();
  if (const Json& by = member(json, "blocked_by"); by.is_string()) blocking.blocked_by = by.get<std::string>();
  blocking.wait = json.at("wait").get<std::string>();
  blocking.count = whole_number<std::uint64_t>(json.at("count"));
  blocking.seconds = json.at("seconds").get<double>();
  read(json, "share", blocking.share);
  return blocking;
}

void read_queries(const Json& json, double interval_seconds, QueryMetrics& metrics) {
  metrics.total_queries = whole_number<std::uint64_t>(json.at("total_queries"));
  metrics.successful_queries = whole_number<std::uint64_t>(json.at("successful_queries"));
  metrics.failed_queries = whole_number<std::uint64_t>(json.at("failed_queries"));
  metrics.abandoned_queries = whole_number<std::uint64_t>(json.at("abandoned_queries"));
  metrics.interval_queries = whole_number<std::uint64_t>(json.at("interval_queries"));
  metrics.queries_per_second = json.at("queries_per_second").get<double>();
  for_each_query_figure(metrics, [&](const char* name, auto& figure) { read(json, name, figure); });
  metrics.waits = read_waits(member(json, "waits"));
  for (const auto& [name, type] : json.at("query_type_breakdown").items()) {
    metrics.query_type_breakdown[name] = read_type(type, interval_seconds);
  }
  for (const auto& [name, phase] : json.at("phases").items()) metrics.phases[name] = read_phase(phase);
  for (const Json& one : member(json, "blocking")) metrics.blocking.push_back(read_blocking(one));
}

ResourceMetrics read_resources(const Json& json, bool of_target) {
  ResourceMetrics metrics;
  for_each_resource(metrics, of_target, [&](const char* name, auto& figure) { read(json, name, figure); });
  return metrics;
}

Availability read_availability(const Json& json) {
  Availability availability;
  availability.state = json.at("state").get<std::string>();
  read(json, "ratio_1h", availability.ratio_1h);
  read(json, "ratio_24h", availability.ratio_24h);
  read(json, "ratio_30d", availability.ratio_30d);
  read(json, "error_budget_left", availability.error_budget_left);
  return availability;
}

void read_health(const Json& json, Snapshot& snapshot) {
  snapshot.health_score = json.at("health_score").get<double>();
  for (const Json& one : json.at("health_deductions")) {
    snapshot.health_deductions.push_back({one.at("rule").get<std::string>(), one.at("value").get<double>(),
                                          one.at("threshold").get<double>(), one.at("penalty").get<double>()});
  }
}

Overhead read_overhead(const Json& json) {
  Overhead overhead;
  read(json, "ns_per_query", overhead.ns_per_query);
  read(json, "percent_of_target_cpu", overhead.percent_of_target_cpu);
  overhead.mode = json.at("mode").get<std::string>();
  overhead.sampled_share = json.at("sampled_share").get<double>();
  return overhead;
}

Losses read_losses(const Json& json) {
  Losses losses;
  for (const auto& [reason, count] : json.items()) {
    if (reason == "unavailable") {
      losses.unavailable = count.get<std::vector<std::string>>();
    } else {
      losses.counts[reason] = whole_number<std::uint64_t>(count);
    }
  }
  return losses;
}

std::optional<Snapshot> read_snapshot(const Json& json) {
  Snapshot snapshot;
  const auto timestamp = parse_moment(json.at("timestamp").get<std::string>(), 0);
  if (!timestamp) return std::nullopt;
  snapshot.timestamp_ms = *timestamp;
  snapshot.target = json.at("target").get<std::string>();
  snapshot.interval_seconds = json.at("interval_seconds").get<double>();
  snapshot.summary = json.value("summary", false);
  snapshot.estimated = json.value("estimated", false);
  read_queries(json.at("query_metrics"), snapshot.interval_seconds, snapshot.query_metrics);
  snapshot.system_metrics = read_resources(json.at("system_metrics"), false);
  snapshot.target_metrics = read_resources(json.at("target_metrics"), true);
  const Json& cache = json.at("cache_metrics");
  read(cache, "hit_rate", snapshot.cache_metrics.hit_rate);
  snapshot.cache_metrics.hits = whole_number<std::uint64_t>(cache.at("hits"));
  snapshot.cache_metrics.misses = whole_number<std::uint64_t>(cache.at("misses"));
  snapshot.cache_metrics.sampled_share = cache.at("sampled_share").get<double>();
  read_health(json, snapshot);
  if (json.contains("availability")) snapshot.availability = read_availability(json.at("availability"));
  snapshot.overhead = read_overhead(json.at("overhead"));
  snapshot.losses = read_losses(json.at("losses"));
  return snapshot;
}

}  // namespace

std::optional<Snapshot> snapshot_from_json(const Json& json) {
  try {
    return read_snapshot(json);
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace outrider
