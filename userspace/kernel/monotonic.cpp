#include "userspace/kernel/monotonic.h"

#include <ctime>

#include "userspace/base/moment.h"

namespace outrider {

std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

std::int64_t unix_ms_of(std::uint64_t monotonic) {
  const auto age_ns = static_cast<std::int64_t>(monotonic_ns() - monotonic);
  return unix_ms() - age_ns / 1'000'000;
}

}  // namespace outrider
