// The present moment, and moments as people type them. Thread-safe but for the time zone, which is the process's.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/base/result.h"

namespace outrider {

/// Unix milliseconds of now, by the system's clock: it may be set.
std::int64_t unix_ms();

/// Unix milliseconds of "now", "2h" or "-2h" (that long before `now_ms`), "@1700000000", "2026-01-31",
/// "2026-01-31T08:30", "2026-01-31 08:30:15.250", each of the last three in local time or with "Z" or "+01:00" behind.
/// Error: none of these, or no such day or time of day.
Result<std::int64_t> parse_moment(const std::string& text, std::int64_t now_ms);

}  // namespace outrider
