#include "userspace/detect/exhaustion.h"

namespace outrider {

void Exhaustion::observe(std::int64_t now_ms, double value, double limit, std::vector<IncidentEvent>& events) {
  constexpr double kT = 8, kWithinSeconds = 4 * 3600, kSteady = 0.8;
  if (trend_.observe(now_ms, value)) {
    finding_.reset();
    const auto line = trend_.line();
    if (line && line->slope > 0 && line->t > kT && line->late_slope > kSteady * line->slope) {
      const double left = (limit - value) / line->slope * static_cast<double>(FloorTrend::kFloorMs) / 1000;
      if (left < kWithinSeconds) {
        left_seconds_ = left > 0 ? left : 0;
        finding_ = Finding{value, line->first, line->t, now_ms - FloorTrend::kSpanMs};
      }
    }
  }
  incident_.update(now_ms, finding_, events);
}

}  // namespace outrider
