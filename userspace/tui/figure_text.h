// Figures as short texts; "-" where there is none. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrider {

/// Three significant figures with the unit that fits, at most 7 columns below 1000 s: "18.1 us".
std::string seconds_text(const std::optional<double>& seconds);

/// At most 7 columns: "0", "0.25", "37.5", "123456", "1.25M".
std::string rate_text(double per_second);

/// A share of 0..1 in percent, without the sign, at most 5 columns: "0.50", "99.9", "100".
std::string percent_text(const std::optional<double>& share);

/// The same of a share of time that was up, at most 6 columns, never more than it was: from 99 % on what is missing is
/// what counts, so that it has up to three decimals: "98.9", "99.9", "99.954", and "100" if nothing is.
std::string availability_text(const std::optional<double>& ratio);

/// A figure of history in the unit that its metric has: "1.5 %", "12.0 MiB", "3", "0.25".
std::string metric_text(const std::optional<double>& value, std::string_view unit);

/// How long ago or how long already, two units: "12s", "3m", "2h 5m", "4d 7h".
std::string age_text(double seconds);

/// Local time of day: "14:03:59".
std::string clock_text(std::int64_t unix_ms);

}  // namespace outrider
