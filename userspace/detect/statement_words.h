// Types that are statements, in the words of notices. Pure, thread-safe.
#pragma once

#include <string>

#include "userspace/model/snapshot.h"

namespace outrider {

/// "UPDATE waited 38 % of its time for COMMIT (lock)": the pair of the interval that took most time, of `type` if it is
/// not empty. Types that are statements are followed by what they say, cut after some words. Empty: nothing waited a
/// fifth of its time for queries of one type, or it is not known.
std::string describe_blocking(const QueryMetrics& metrics, const std::string& type);

/// "; UPDATE 3f2a9c81d0e4 is: update t set n = ?" of each statement that `text` names and does not say, cut after some
/// lines.
std::string describe_statements(const QueryMetrics& metrics, const std::string& text);

}  // namespace outrider
