// The arithmetic between counter differences and the figures of a snapshot: means, percentiles, rates, waits.
// Pure functions, thread-safe. Internal to model/.
#pragma once

#include <optional>

#include "userspace/model/figures.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// part / whole; none if whole is 0.
std::optional<double> ratio(double part, double whole);

/// Percentile in seconds. Where the longest query lies in the same bucket and below its middle, it is the better
/// answer; a longest query from below that bucket is one of another interval epoch and says nothing.
std::optional<double> percentile_seconds(const TypeFigures& figures, double q);

/// Longest query in seconds; at least what the histogram proves. None without queries.
std::optional<double> max_seconds(const TypeFigures& figures);

/// Wait classes in seconds. What the classes do not cover of the wall time is `unattributed`. None if queries ended
/// and not one had been followed from its start.
std::optional<WaitSeconds> wait_seconds(const TypeFigures& figures);

/// All queries, the extrapolated ones included, rounded.
std::uint64_t estimated_queries(const TypeFigures& figures);
std::uint64_t estimated_failed(const TypeFigures& figures);

/// The figures of one type (outermost and nested together) in the interval and since attach.
TypeMetrics type_metrics(const TypeFigures& interval, TypeFigures total, double queries_per_second);

}  // namespace outrider
