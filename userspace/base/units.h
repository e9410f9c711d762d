// Durations, percentages and sizes as people type them, and back. Pure, thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "userspace/base/result.h"

namespace outrider {

inline constexpr double kNsPerSecond = 1e9;
inline constexpr double kMib = 1024.0 * 1024.0;  ///< bytes

/// "250ms", "1s", "2.5s", "5m", "1h", "30d"; a bare number is seconds. Error: not a positive duration.
Result<std::chrono::milliseconds> parse_duration(const std::string& text);

/// "3%", "0.5%" or "3"; none for "off". Error: not a percentage above 0 and up to 100.
Result<std::optional<double>> parse_budget(const std::string& text);

/// "5%" is 5. Error: no percent sign, or not from 0 to 100.
Result<double> parse_percent(const std::string& text);

/// "512MiB" in bytes; B, KiB, MiB, GiB, TiB. Error: no unit, negative, or more than 1024 TiB.
Result<std::uint64_t> parse_size(const std::string& text);

/// Three significant figures with the unit that fits: "812 ns", "18.1 us", "3.02 ms", "1.25 s".
std::string format_seconds(double seconds);

/// Exact, in the largest unit that needs no fraction: "1500ms", "24h", "30d". parse_duration() reads it back.
std::string format_duration(std::chrono::milliseconds duration);

/// Exact, in the largest unit that needs no fraction: "512MiB". parse_size() reads it back.
std::string format_size(std::uint64_t bytes);

}  // namespace outrider
