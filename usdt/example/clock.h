// The clocks that the engine measures with. Nanoseconds everywhere.
#pragma once

#include <cstdint>
#include <ctime>

namespace outrider::example {

inline uint64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }
inline uint64_t thread_cpu_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

inline timespec to_timespec(uint64_t ns) {
  return {.tv_sec = static_cast<time_t>(ns / 1'000'000'000), .tv_nsec = static_cast<long>(ns % 1'000'000'000)};
}

/// How long `operation` kept this thread off the CPU: a read also costs CPU, and that share is no wait.
template <typename Operation>
uint64_t measure_wait(Operation&& operation) {
  const uint64_t cpu_begin = thread_cpu_ns();
  const uint64_t begin = monotonic_ns();
  operation();
  const uint64_t wall = monotonic_ns() - begin;
  const uint64_t cpu = thread_cpu_ns() - cpu_begin;
  return wall > cpu ? wall - cpu : 0;
}

}  // namespace outrider::example
