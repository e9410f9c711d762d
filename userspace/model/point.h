// One step of a target's history: what happened between two grid marks, in a form that merges without loss, so that
// a coarse step says the same as all the fine ones it was made of. Plain data and pure functions, not thread-safe.
// Nanoseconds and seconds as named; times are Unix milliseconds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "userspace/model/figures.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// Sums, histogram and maximum of one query type. The extrapolated counts (`unseen_*`) are no part of history.
using TypePoint = TypeFigures;

/// A figure that is not a sum of events, as its mean over time and its extremes.
struct Gauge {
  double sum = 0;  ///< value x seconds
  double seconds = 0;
  double min = 0, max = 0;
};

struct Point {
  std::int64_t begin_ms = 0;               ///< start of the grid step
  std::int64_t length_ms = 0;              ///< of the grid step
  double seconds = 0;                      ///< of it that was covered by readings
  double watched_seconds = 0;              ///< of those, with query probes attached: what rates are taken over
  TypePoint total;                         ///< outermost queries
  std::map<std::string, TypePoint> types;  ///< outermost and nested together
  std::map<std::string, Gauge, std::less<>> gauges;  ///< by field name, e.g. "target_metrics.cpu_usage"
  std::int64_t peak_concurrent = -1;                 ///< -1: not known
  std::uint64_t cache_hits = 0, cache_misses = 0;    ///< cache probes, and look-ups inside queries of any type
  double up_seconds = 0, stalled_seconds = 0, down_seconds = 0;
  std::uint64_t losses = 0;  ///< in the step, all reasons
};

void merge(Gauge& into, const Gauge& more);

/// Sums and histograms add up, maxima stay maxima. `into` keeps its place on the grid.
void merge(Point& into, const Point& more);

/// `value / step_ms * step_ms`, rounded towards the past, before 1970 too. `step_ms` is above 0.
std::int64_t floor_to_step(std::int64_t value_ms, std::int64_t step_ms);
std::int64_t ceil_to_step(std::int64_t value_ms, std::int64_t step_ms);

/// Figures "in the interval" (MiB read, seconds throttled): their gauge holds the rate, so that `sum` is the amount.
bool is_amount(std::string_view field);

/// The point of one interval: `snapshot` gives what is measured now and the time, `interval` what was counted. It
/// lies on the step that holds the middle of the interval, which a reading some milliseconds early or late does not
/// change. Availability is left at zero: whoever judges it fills it in.
Point make_point(const Snapshot& snapshot, const TargetFigures& interval, std::int64_t step_ms = 1000);

}  // namespace outrider
