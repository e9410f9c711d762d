// What is said about a rule's incident. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "userspace/alerts/alert.h"
#include "userspace/model/notice.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// "lock takes 72 % of the wall time": the largest part; empty without one.
std::string largest_wait(const std::optional<WaitSeconds>& waits);

/// `value`: the figure now. `why`, of an end that no figure made: "the target is gone"; else empty.
Notice rule_notice(const Rule& rule, const AlertEvent& event, const std::string& target, const std::string& type,
                   std::optional<double> value, const std::string& why);

}  // namespace outrider
