#include "userspace/model/throughput.h"

#include <algorithm>
#include <numeric>

namespace outrider {

void ThroughputWindow::add(double queries, double seconds) {
  if (!(seconds > 0)) return;
  const double rate = queries / seconds;
  // A machine that slept for a day fills the ring once, not 86,400 times.
  double left = std::min(seconds, static_cast<double>(kSeconds) + 1);
  while (left > 0) {
    const double part = std::min(1 - partial_seconds_, left);
    partial_queries_ += rate * part;
    partial_seconds_ += part;
    left -= part;
    if (partial_seconds_ < 1 - 1e-9) break;
    push(partial_queries_ / partial_seconds_);
    partial_queries_ = partial_seconds_ = 0;
  }
}

void ThroughputWindow::push(double rate) {
  rates_[next_] = rate;
  next_ = (next_ + 1) % kSeconds;
  used_ = std::min(used_ + 1, kSeconds);
}

std::optional<double> ThroughputWindow::mean() const {
  if (used_ > 0) {
    return std::accumulate(rates_.begin(), rates_.begin() + static_cast<std::ptrdiff_t>(used_), 0.0) /
           static_cast<double>(used_);
  }
  if (partial_seconds_ > 0) return partial_queries_ / partial_seconds_;
  return std::nullopt;
}

}  // namespace outrider
