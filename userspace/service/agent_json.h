// The agent's own figures as JSON: base units, field names as in AgentFigures. Pure, thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "userspace/model/agent_figures.h"

namespace outrider {

/// `text`, or null if it is empty: there is no error, no profile.
nlohmann::ordered_json text_or_null(const std::string& text);

/// {version, uptime_seconds, cpu_seconds, ..., sinks: [...], store: {...} or null, http: {...}}
nlohmann::ordered_json to_json(const AgentFigures& agent);
/// {name, found_by, value, labels, profile, processes, attached, error, availability}
nlohmann::ordered_json to_json(const TargetState& target);

}  // namespace outrider
