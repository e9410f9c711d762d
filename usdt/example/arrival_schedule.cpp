#include "usdt/example/arrival_schedule.h"

#include <cmath>

namespace outrider::example {

ArrivalSchedule::ArrivalSchedule(double rate, Spacing spacing, uint64_t seed)
    : interval_ns_(rate > 0 ? 1e9 / rate : 0), spacing_(spacing), rng_(seed, ~0ULL) {}

Arrival ArrivalSchedule::next() {
  if (!open_loop()) return {taken_.fetch_add(1, std::memory_order_relaxed), 0};
  if (spacing_ == Spacing::kFixed) {
    const uint64_t number = taken_.fetch_add(1, std::memory_order_relaxed);
    return {number, static_cast<uint64_t>(static_cast<double>(number) * interval_ns_)};
  }
  const std::lock_guard guard(mutex_);
  poisson_ns_ += -std::log1p(-rng_.uniform()) * interval_ns_;
  return {taken_.fetch_add(1, std::memory_order_relaxed), static_cast<uint64_t>(poisson_ns_)};
}

}  // namespace outrider::example
