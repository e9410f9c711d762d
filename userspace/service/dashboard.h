// What the dashboard draws, in one object. Pure but for the history that is handed in.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "userspace/history/history_view.h"
#include "userspace/model/alert_status.h"
#include "userspace/model/snapshot.h"

namespace outrider {

struct DashboardRequest {
  std::string target;
  const Snapshot* current = nullptr;    ///< null: nothing was read yet
  const AlertStatus* alerts = nullptr;  ///< null: alerting is off
  std::int64_t window_ms = 3'600'000;
  std::int64_t now_ms = 0;
};

/// {target, current, window_seconds, step_seconds, charts: [{title, unit, type, datasets: [{label, metric,
/// data: [[unix_ms, value or null]]}]}], active_alerts: [as in
/// alerts_json.h] or null (alerting is off), health_trend: {score, direction, change, significant}}. A
/// chart has at most 360 points; the health trend is the window's second half against its first.
Result<nlohmann::ordered_json> dashboard_json(const DashboardRequest& request, const HistorySource& source);

}  // namespace outrider
