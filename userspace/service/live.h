// What an open page is told each interval. Pure, thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "userspace/model/report.h"

namespace outrider {

/// Types that one event names at most, those that took most time: a page's queue is bounded, and so are its events.
inline constexpr std::size_t kLiveTypes = 50;
/// Alerts that one event names at most.
inline constexpr std::size_t kLiveAlerts = 30;

/// [dashboard] of the configuration.
struct PageSettings {
  bool real_time = true;  ///< false: there are no events, pages ask
  double update_seconds = 5;
  double window_seconds = 3600;   ///< what the charts show at first
  double collection_seconds = 1;  ///< between two events while nothing is attached
};

/// The stream on which the events of `target` are published.
std::string live_stream(const std::string& target);

/// {time, target, state: as in agent_json.h, or null (there is no such target), current: snapshot or null,
/// types_left_out, targets: [{name, state, attached, health_score}], alerts: {firing, pending, elsewhere, active:
/// [...]} or null (alerting is off), agent: {version, uptime_seconds, history, history_error}, page: the settings}.
/// `report.agent` is there. `elsewhere`: alerts of other targets that fire and are not held.
nlohmann::ordered_json live_json(const Report& report, const std::string& target, const PageSettings& page = {});

}  // namespace outrider
