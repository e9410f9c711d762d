// What alerting has come to, for the API. Pure, thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "userspace/model/alert_status.h"

namespace outrider {

/// The alerts that are pending or fire, of one target or (empty) of all: each as a notice (notice_json.h) without `at`
/// and `event`, with `state` (pending, firing) and `held` (nobody is told: silenced, flapping, or to be expected of a
/// target that is down). Firing ones come first.
nlohmann::ordered_json active_alerts_json(const AlertStatus& status, const std::string& target);

/// {name, sent, failed, dropped, queued, failing, last_error}.
nlohmann::ordered_json to_json(const ChannelCounters& channel);

/// {alerts, recent, channels, told, untracked_breaches, detector_bytes}; `recent` are notices, newest first.
nlohmann::ordered_json to_json(const AlertStatus& status, const std::string& target);

}  // namespace outrider
