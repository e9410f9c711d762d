#include "userspace/service/restarts.h"

#include <algorithm>
#include <cmath>

namespace outrider {
namespace {

// A reading comes some milliseconds after its mark, and an interval of several seconds lies in the step of its middle.
constexpr std::int64_t kSlackMs = 2'000;

// Where the step's last reading was: at its end, or, of an interval that is longer than the step and lies in that of
// its middle, half an interval later.
std::int64_t last_reading_ms(const Point& point) {
  return point.begin_ms + std::max<std::int64_t>(point.length_ms, std::llround(point.seconds * 500));
}

}  // namespace

// The greatest age is that at the step's last reading, unless the process before was older: then it is the one of the
// process before, and the start is told by the step that follows.
void Restarts::add(const Point& point) {
  const auto found = point.gauges.find(kGauge);
  const bool was_down = point.down_seconds > 0;
  if (found != point.gauges.end()) {
    const double age = found->second.max;
    const std::int64_t end_ms = std::min(last_reading_ms(point), now_ms_);
    const std::int64_t start_ms = end_ms - std::llround(age * 1000);
    const bool anew = down_ || (age_ && age < *age_);
    // An older start is that of a process which was not the oldest before.
    if (anew && known_ms_ && start_ms >= *known_ms_ - kSlackMs) add_start(start_ms, point.length_ms);
    age_ = age;
    down_ = was_down;
  } else {
    down_ = down_ || was_down;
  }
  if (found != point.gauges.end() || was_down) known_ms_ = point.begin_ms;
}

// The same start, seen by two steps, differs by what each was short of its end.
void Restarts::add_start(std::int64_t start_ms, std::int64_t step_ms) {
  if (!times_.empty() && start_ms - times_.back() <= step_ms + kSlackMs) return;
  times_.push_back(start_ms);
}

}  // namespace outrider
