// A notice as the agent keeps it over a restart. Pure, thread-safe.
#pragma once

#include <nlohmann/json.hpp>

#include "userspace/model/notice.h"

namespace outrider {

nlohmann::json notice_to_json(const Notice& notice);

/// Throws nlohmann::json::exception for what notice_to_json() does not give.
Notice notice_from_json(const nlohmann::json& json);

}  // namespace outrider
