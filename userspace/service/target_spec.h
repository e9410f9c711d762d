// The configuration's way of naming a target in the agent's. Pure: thread-safe.
#pragma once

#include "userspace/agent/target_watch.h"
#include "userspace/config/config.h"

namespace outrider {

TargetSpec target_spec(const TargetConfig& config);

}  // namespace outrider
