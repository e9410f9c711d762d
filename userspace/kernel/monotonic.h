// The clock of all the kernel side's times. Thread-safe.
#pragma once

#include <cstdint>

namespace outrider {

/// Nanoseconds of CLOCK_MONOTONIC.
std::uint64_t monotonic_ns();

/// Unix milliseconds of a moment of that clock, as far as the system's clock was not set since.
std::int64_t unix_ms_of(std::uint64_t monotonic);

}  // namespace outrider
