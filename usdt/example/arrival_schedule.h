// When queries arrive. Open loop: the times are fixed in advance by the rate, however slow the engine is, so a stall is
// followed by the backlog that it caused. Closed loop (rate 0): the next query arrives when a worker is free.
// Thread-safe: workers take arrivals one by one.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "usdt/example/rng.h"

namespace outrider::example {

struct Arrival {
  uint64_t number = 0;     ///< 0, 1, 2, ...
  uint64_t offset_ns = 0;  ///< from the begin of the load; 0 in a closed loop
};

class ArrivalSchedule {
 public:
  enum class Spacing { kFixed, kPoisson };

  /// `rate` in queries a second; 0 makes a closed loop.
  ArrivalSchedule(double rate, Spacing spacing, uint64_t seed);

  Arrival next();
  [[nodiscard]] bool open_loop() const { return interval_ns_ > 0; }

 private:
  double interval_ns_;
  Spacing spacing_;
  std::atomic<uint64_t> taken_{0};
  std::mutex mutex_;  // of the two below: a Poisson arrival depends on the one before it
  Rng rng_;
  double poisson_ns_ = 0;
};

}  // namespace outrider::example
