#include "userspace/history/every_point.h"

#include <algorithm>
#include <cerrno>
#include <limits>

namespace outrider {
namespace {

constexpr std::int64_t kFinestMs = 1'000, kMinuteMs = 60'000;
constexpr std::int64_t kStepsAtOnce = 3'600;  // so that the writer's clean-up is not kept waiting by a long window

}  // namespace

Result<std::int64_t> for_each_point(const HistorySource& source, const std::string& target, std::int64_t from_ms,
                                    std::int64_t to_ms, const PointParts& parts, const VisitStep& visit) {
  if (from_ms >= to_ms) return Error{"the window ends before it begins; give a later end", EINVAL};
  const std::int64_t first_ms = floor_to_step(from_ms, kMinuteMs);
  HistoryQuery query;
  query.target = target;
  query.parts = parts;
  query.from_ms = first_ms;
  query.to_ms = first_ms + kMinuteMs;
  query.step_ms = kFinestMs;
  const Result<History> oldest = source.history(query);  // says how fine the points are that reach back so far
  if (!oldest) return oldest.error();
  query.step_ms = oldest->resolution_ms;
  std::int64_t last_ms = std::numeric_limits<std::int64_t>::min();
  const VisitStep visit_new = [&](const Point& point) {
    if (point.begin_ms <= last_ms || point.begin_ms >= to_ms) return;  // of a window that was rounded outward
    last_ms = point.begin_ms;
    visit(point);
  };
  for (std::int64_t begin = first_ms; begin < to_ms; begin = query.to_ms) {
    query.from_ms = begin;
    query.to_ms = std::min(begin + kStepsAtOnce * query.step_ms, ceil_to_step(to_ms, kMinuteMs));
    const Result<History> part = source.for_each_step(query, visit_new);
    if (!part) return part.error();
  }
  return query.step_ms;
}

}  // namespace outrider
