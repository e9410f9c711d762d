// Who blocks whom, in the words of an incident's cause. Pure, thread-safe.
#pragma once

#include <string>

#include "userspace/model/snapshot.h"

namespace outrider {

/// "UPDATE waited 38 % of its time for COMMIT (lock)": the pair of the interval that took most time, of `type` if it is
/// not empty. Types that are statements are followed by what they say, cut after some words. Empty: nothing waited a
/// fifth of its time for queries of one type, or it is not known.
std::string describe_blocking(const QueryMetrics& metrics, const std::string& type);

}  // namespace outrider
