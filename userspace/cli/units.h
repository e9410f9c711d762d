// Durations and percentages as people type them. Pure, thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "userspace/base/result.h"

namespace outrider {

/// "250ms", "1s", "2.5s", "5m", "1h"; a bare number is seconds. Error: not a positive duration.
Result<std::chrono::milliseconds> parse_duration(const std::string& text);

/// "3%", "0.5%" or "3"; none for "off". Error: not a percentage above 0 and up to 100.
Result<std::optional<double>> parse_budget(const std::string& text);

/// Three significant figures with the unit that fits: "812 ns", "18.1 us", "3.02 ms", "1.25 s".
std::string format_seconds(double seconds);

}  // namespace outrider
