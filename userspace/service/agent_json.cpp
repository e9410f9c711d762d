#include "userspace/service/agent_json.h"

#include <optional>
#include <string>

#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"
#include "userspace/service/alerts_json.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json nullable(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json sink_json(const SinkCounters& sink) {
  Json json = {{"name", sink.name},
               {"written", sink.written},
               {"failed", sink.failed},
               {"dropped", sink.dropped},
               {"queued", sink.queued},
               {"failing", sink.failing},
               {"last_error", text_or_null(sink.last_error)}};
  if (sink.points) {
    json["points"] = {{"sent", sink.points->sent},
                      {"rejected", sink.points->rejected},
                      {"dropped", sink.points->dropped},
                      {"queued", sink.points->queued}};
  }
  return json;
}

Json store_json(const StoreCounters& store) {
  return {{"written_points", store.written_points},
          {"dropped_points", store.dropped_points},
          {"late_points", store.late_points},
          {"failed_writes", store.failed_writes},
          {"corrupt_files", store.corrupt_files},
          {"trims", store.trims},
          {"queued_points", store.queued_points},
          {"file_bytes", store.file_bytes},
          {"last_write_seconds", store.last_write_seconds},
          {"error", text_or_null(store.error)}};
}

Json audit_json(const AuditState& audit) {
  Json json = {{"readings", audit.readings},
               {"failed_readings", audit.failed_readings},
               {"restarts", audit.restarts},
               {"error", text_or_null(audit.error)},
               {"comparison", nullptr}};
  if (const auto& comparison = audit.comparison) {
    json["comparison"] = {{"since_ms", comparison->since_ms},
                          {"compared_ms", comparison->compared_ms},
                          {"engine_queries", comparison->engine_queries},
                          {"difference", comparison->difference},
                          {"uncertainty", comparison->uncertainty}};
  }
  return json;
}

}  // namespace

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(valid_utf8(text)); }

Json to_json(const AgentFigures& agent) {
  Json json = {{"version", agent.version},
               {"uptime_seconds", agent.uptime_seconds},
               {"cpu_seconds", agent.cpu_seconds},
               {"resident_bytes", nullable(agent.resident_bytes)},
               {"map_bytes", agent.map_bytes},
               {"probe_hit_seconds", agent.trap_seconds},
               {"intervals", agent.intervals},
               {"missed_intervals", agent.missed_intervals},
               {"loop_lag_p99_seconds", nullable(agent.lag_p99_seconds)},
               {"last_reading_seconds", nullable(agent.reading_seconds)},
               {"reading_error", text_or_null(agent.reading_error)},
               {"reloads", agent.reloads},
               {"failed_reloads", agent.failed_reloads},
               {"sinks", Json::array()},
               {"channels", Json::array()},
               {"store", agent.store ? store_json(*agent.store) : Json(nullptr)},
               {"http", agent.http},
               {"http_error", text_or_null(agent.http_error)}};
  for (const SinkCounters& sink : agent.sinks) json["sinks"].push_back(sink_json(sink));
  if (!agent.alerts) return json;
  for (const ChannelCounters& channel : agent.alerts->channels) json["channels"].push_back(to_json(channel));
  return json;
}

Json to_json(const TargetState& target) {
  Json labels = Json::object();
  for (const auto& [key, value] : target.labels) labels[valid_utf8(key)] = valid_utf8(value);
  return {{"name", valid_utf8(target.name)},
          {"found_by", target.found_by},
          {"value", valid_utf8(target.value)},
          {"labels", labels},
          {"interval_seconds", target.interval_seconds},
          {"profile", text_or_null(target.profile)},
          {"build_id", text_or_null(target.build_id)},
          {"processes", target.processes},
          {"handle_limit", nullable(target.handle_limit)},
          {"attached", target.attached},
          {"error", text_or_null(target.error)},
          {"availability", to_json(target.availability)},
          {"availability_objective", target.availability_objective},
          {"audit", target.audit ? audit_json(*target.audit) : Json(nullptr)}};
}

}  // namespace outrider
