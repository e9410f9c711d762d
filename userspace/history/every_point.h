// History from end to end, at one resolution: what detectors are fed with, who count samples. Not thread-safe with
// respect to the source.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/base/result.h"
#include "userspace/history/history_view.h"

namespace outrider {

/// Calls `visit` for each point of `target` in [from_ms, to_ms), in order, with totals, histograms and the gauges
/// that `parts` names. All have the same length, the finest at which the whole window is kept; returns that, in
/// milliseconds. `from_ms` is rounded to the minute before it. Memory does not grow
/// with the window. Errors are those of the source; the window ends before it begins.
Result<std::int64_t> for_each_point(const HistorySource& source, const std::string& target, std::int64_t from_ms,
                                    std::int64_t to_ms, const PointParts& parts, const VisitStep& visit);

}  // namespace outrider
