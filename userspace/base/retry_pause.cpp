#include "userspace/base/retry_pause.h"

#include <algorithm>
#include <cmath>

namespace outrider {

std::chrono::milliseconds retry_pause(unsigned failures, double chance, std::chrono::milliseconds first,
                                      std::chrono::milliseconds most) {
  const double doubled = static_cast<double>(first.count()) * std::exp2(failures - 1);
  const double steady = std::min(doubled, static_cast<double>(most.count()));
  const auto pause = std::chrono::milliseconds(std::llround(steady * (0.75 + chance / 2)));
  return std::clamp(pause, first, std::max(first, most));
}

}  // namespace outrider
