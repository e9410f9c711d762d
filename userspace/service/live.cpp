#include "userspace/service/live.h"

#include <algorithm>

#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"
#include "userspace/service/agent_json.h"
#include "userspace/service/alerts_json.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

const Snapshot* find_snapshot(const Report& report, const std::string& target) {
  const auto found = std::find_if(report.snapshots.begin(), report.snapshots.end(),
                                  [&](const SharedSnapshot& each) { return each->target == target; });
  return found == report.snapshots.end() ? nullptr : found->get();
}

Json targets_json(const Report& report) {
  Json all = Json::array();
  for (const TargetState& target : report.agent->targets) {
    const Snapshot* snapshot = find_snapshot(report, target.name);
    all.push_back({{"name", valid_utf8(target.name)},
                   {"state", target.availability.state},
                   {"attached", target.attached},
                   {"health_score", snapshot != nullptr ? Json(snapshot->health_score) : Json(nullptr)}});
  }
  return all;
}

// As the terminal counts them. The host's alerts are one target's, and no other page would know of them.
std::ptrdiff_t firing_elsewhere(const AlertStatus& status, const std::string& target) {
  if (target.empty()) return 0;  // the alerts of all are told
  return std::count_if(status.alerts.begin(), status.alerts.end(), [&](const AlertLine& line) {
    return !line.pending && !line.held && line.notice.target != target;
  });
}

Json alerts_json(const AlertStatus* status, const std::string& target) {
  if (status == nullptr) return nullptr;
  Json active = active_alerts_json(*status, target);
  const auto firing =
      std::count_if(active.begin(), active.end(), [](const Json& alert) { return alert["state"] == "firing"; });
  const auto pending = static_cast<std::ptrdiff_t>(active.size()) - firing;
  if (active.size() > kLiveAlerts) active.erase(active.begin() + kLiveAlerts, active.end());
  return {{"firing", firing},
          {"pending", pending},
          {"elsewhere", firing_elsewhere(*status, target)},
          {"active", std::move(active)}};
}

Json state_json(const Report& report, const std::string& target) {
  const auto& targets = report.agent->targets;
  const auto found =
      std::find_if(targets.begin(), targets.end(), [&](const TargetState& each) { return each.name == target; });
  return found == targets.end() ? Json(nullptr) : to_json(*found);
}

}  // namespace

std::string live_stream(const std::string& target) { return "live " + target; }

Json live_json(const Report& report, const std::string& target, const PageSettings& page) {
  const AgentFigures& agent = *report.agent;
  const Snapshot* current = find_snapshot(report, target);
  const std::size_t types = current != nullptr ? current->query_metrics.query_type_breakdown.size() : 0;
  return {{"time", report.time_ms},
          {"target", valid_utf8(target)},
          {"state", state_json(report, target)},
          {"current", current != nullptr ? to_json(*current, kLiveTypes) : Json(nullptr)},
          {"types_left_out", types > kLiveTypes ? types - kLiveTypes : 0},
          {"targets", targets_json(report)},
          {"alerts", alerts_json(agent.alerts.get(), target)},
          {"agent",
           {{"version", agent.version},
            {"uptime_seconds", agent.uptime_seconds},
            {"history", agent.store.has_value()},
            {"history_error", agent.store ? text_or_null(agent.store->error) : Json(nullptr)}}},
          {"page",
           {{"real_time", page.real_time},
            {"update_seconds", page.update_seconds},
            {"window_seconds", page.window_seconds},
            {"collection_seconds", page.collection_seconds}}}};
}

}  // namespace outrider
