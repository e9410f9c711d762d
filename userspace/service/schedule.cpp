#include "userspace/service/schedule.h"

#include <algorithm>

namespace outrider {
namespace {

// The grid mark that is nearest to a whole interval from now.
Schedule::Clock::time_point next_mark(std::chrono::milliseconds interval, const Schedule::Now& now) {
  const auto whole = std::chrono::duration_cast<std::chrono::nanoseconds>(interval);
  const auto into = std::chrono::duration_cast<std::chrono::nanoseconds>(now.wall.time_since_epoch()) % whole;
  auto left = whole - into;
  if (left < whole / 2) left += whole;
  return now.steady + left;
}

}  // namespace

void Schedule::add(std::uint32_t entry, std::chrono::milliseconds interval, const Now& now, bool counted) {
  entries_[entry] = {interval, next_mark(interval, now), counted};
}

Schedule::Clock::time_point Schedule::next() const {
  auto next = Clock::time_point::max();
  for (const auto& [id, entry] : entries_) next = std::min(next, entry.due);
  return next;
}

Schedule::Due Schedule::take(const Now& now) {
  Due due;
  for (auto& [id, entry] : entries_) {
    if (entry.due > now.steady) continue;
    due.entries.insert(id);
    due.lag = std::max(due.lag, now.steady - entry.due);
    const auto next = next_mark(entry.interval, now);
    // To the nearest: a clock that is being set shifts the marks by less than half an interval.
    const auto passed = (next - entry.due + entry.interval / 2) / entry.interval;
    entry.due = next;
    if (!entry.counted) continue;
    ++due.readings;
    due.missed += static_cast<std::uint64_t>(std::max<std::int64_t>(passed - 1, 0));
  }
  return due;
}

}  // namespace outrider
