// The parts of a board from what a running service says. Pure, thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/tui/board.h"

namespace outrider {

/// /api/v1/targets: names and errors, without figures. Errors: it is something else.
Result<std::vector<BoardTarget>> targets_from_json(const std::string& text);

/// /api/v1/snapshot of all targets. Errors: it is something else.
Result<std::vector<SharedSnapshot>> snapshots_from_json(const std::string& text);

/// /api/v1/alerts, in its order. Errors: it is something else.
Result<std::vector<BoardAlert>> alerts_from_json(const std::string& text);

/// /api/v1/agent. `cpu_seconds` since its start, for the caller to take differences of.
struct AgentUse {
  double uptime_seconds = 0, cpu_seconds = 0;
  std::optional<double> resident_bytes;
};
Result<AgentUse> agent_from_json(const std::string& text);

/// /api/v1/history of two metrics, queries per second and p99 in that order. Errors: it is something else.
Result<std::vector<SeriesPoint>> past_from_json(const std::string& text);

/// What an error reply says, {"error": "..."}, or the beginning of its text.
std::string error_from_json(const std::string& text);

}  // namespace outrider
