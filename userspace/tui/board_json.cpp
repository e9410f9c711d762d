#include "userspace/tui/board_json.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/base/moment.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/tui/line.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

/// What `read` makes of the text; an error names `what` it should have been.
template <typename Read>
auto parsed(const std::string& text, const char* what, Read&& read) -> decltype(read(Json())) {
  Error foreign{std::string("the answer is no ") + what + "; is it an outrider service of this version?"};
  try {
    auto value = read(Json::parse(text));
    if (!value) return foreign;
    return value;
  } catch (const Json::exception&) {
    return foreign;
  }
}

std::string text_or_empty(const Json& json) { return json.is_null() ? std::string() : json.get<std::string>(); }

Result<BoardAlert> alert_from(const Json& json) {
  BoardAlert alert;
  const auto severity = severity_of(json.at("severity").get<std::string>());
  const auto since = parse_moment(json.at("since").get<std::string>(), 0);
  if (!severity || !since) return Error{"an alert"};
  alert.severity = *severity;
  alert.since_ms = *since;
  alert.target = json.at("target").get<std::string>();
  alert.name = json.at("name").get<std::string>();
  alert.type = json.at("type").get<std::string>();
  alert.pending = json.at("state").get<std::string>() == "pending";
  alert.held = json.at("held").get<bool>();
  return alert;
}

}  // namespace

Result<std::vector<BoardTarget>> targets_from_json(const std::string& text) {
  return parsed(text, "list of targets", [](const Json& json) -> Result<std::vector<BoardTarget>> {
    std::vector<BoardTarget> targets;
    targets.reserve(json.at("targets").size());
    for (const Json& one : json.at("targets")) {
      targets.push_back({one.at("name").get<std::string>(), text_or_empty(one.at("error")), nullptr});
    }
    return targets;
  });
}

Result<std::vector<SharedSnapshot>> snapshots_from_json(const std::string& text) {
  return parsed(text, "list of snapshots", [](const Json& json) -> Result<std::vector<SharedSnapshot>> {
    std::vector<SharedSnapshot> snapshots;
    snapshots.reserve(json.at("snapshots").size());
    for (const Json& one : json.at("snapshots")) {
      auto snapshot = snapshot_from_json(one);
      if (!snapshot) return Error{"a snapshot"};
      snapshots.push_back(std::make_shared<const Snapshot>(*std::move(snapshot)));
    }
    return snapshots;
  });
}

Result<std::vector<BoardAlert>> alerts_from_json(const std::string& text) {
  return parsed(text, "list of alerts", [](const Json& json) -> Result<std::vector<BoardAlert>> {
    std::vector<BoardAlert> alerts;
    alerts.reserve(json.at("alerts").size());
    for (const Json& one : json.at("alerts")) {
      auto alert = alert_from(one);
      if (!alert) return alert.error();
      alerts.push_back(*std::move(alert));
    }
    return alerts;
  });
}

Result<AgentUse> agent_from_json(const std::string& text) {
  return parsed(text, "account of the agent", [](const Json& json) -> Result<AgentUse> {
    AgentUse use;
    use.uptime_seconds = json.at("uptime_seconds").get<double>();
    use.cpu_seconds = json.at("cpu_seconds").get<double>();
    const Json& bytes = json.at("resident_bytes");
    if (!bytes.is_null()) use.resident_bytes = bytes.get<double>();
    return use;
  });
}

Result<std::vector<SeriesPoint>> past_from_json(const std::string& text) {
  return parsed(text, "history", [](const Json& json) -> Result<std::vector<SeriesPoint>> {
    const auto rate = json.at("metrics").at(0).at("name").get<std::string>();
    const auto p99 = json.at("metrics").at(1).at("name").get<std::string>();
    std::vector<SeriesPoint> points;
    points.reserve(json.at("points").size());
    for (const Json& row : json.at("points")) {
      const auto time = parse_moment(row.at("timestamp").get<std::string>(), 0);
      if (!time) return time.error();
      if (row.at(rate).is_null()) continue;
      points.push_back({*time / 1000, row.at(rate).get<double>(), std::nullopt});
      if (!row.at(p99).is_null()) points.back().p99_seconds = row.at(p99).get<double>();
    }
    return points;
  });
}

std::string error_from_json(const std::string& text) {
  constexpr std::size_t kShown = 200;
  try {
    return cut(Json::parse(text).at("error").get<std::string>(), kShown);
  } catch (const Json::exception&) {
    return cut(std::string_view(text).substr(0, text.find('\n')), kShown);
  }
}

}  // namespace outrider
