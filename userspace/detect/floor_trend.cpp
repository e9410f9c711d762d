#include "userspace/detect/floor_trend.h"

#include <algorithm>
#include <cmath>

namespace outrider {

bool FloorTrend::observe(std::int64_t now_ms, double value) {
  if (begin_ms_ == 0 || now_ms < begin_ms_) {
    begin_ms_ = now_ms;
    floor_ = value;
  }
  const bool ended = now_ms - begin_ms_ >= kFloorMs;
  if (ended) {
    floors_[count_++ % kFloors] = floor_;
    begin_ms_ = now_ms;
    floor_ = value;
  }
  floor_ = std::min(floor_, value);
  return ended;
}

std::optional<FloorTrend::Line> FloorTrend::line() const {
  if (count_ < kFloors) return std::nullopt;
  constexpr auto kN = static_cast<double>(kFloors);
  Line line;
  for (const double floor : floors_) line.mean += floor / kN;
  double xy = 0, xx = 0;
  for (std::size_t i = 0; i < kFloors; ++i) {
    const double x = static_cast<double>(i) - (kN - 1) / 2;
    xy += x * (at(i) - line.mean);
    xx += x * x;
  }
  line.slope = xy / xx;
  double squares = 0;
  for (std::size_t i = 0; i < kFloors; ++i) {
    const double x = static_cast<double>(i) - (kN - 1) / 2;
    const double rest = at(i) - line.mean - line.slope * x;
    squares += rest * rest;
  }
  const double error = std::sqrt(squares / (kN - 2) / xx);
  line.t = error > 0 ? line.slope / error : (line.slope > 0 ? 100 : 0);
  line.first = at(0);
  line.last = at(kFloors - 1);
  line.late_slope = (3 * (at(6) - at(3)) + (at(5) - at(4))) / 10;  // least squares of four: x = -3, -1, 1, 3 over 2
  return line;
}

}  // namespace outrider
