// Figures with their units as people type them, and back. A unit is a snapshot field's: seconds, ratio (0..1), percent
// (0..100), 1/s, count, MiB or score (0..100). Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace outrider {

/// The figure in `unit`: "100ms" of seconds is 0.1, "5%" of a ratio 0.05 and of percent 5, "1.5GiB" of MiB 1536, "20/s"
/// of 1/s 20. Error: no number, a unit that does not fit, or out of the unit's range.
Result<double> parse_quantity(const std::string& text, std::string_view unit);

/// Whether a figure in `unit` can be this: finite, not negative, and at most 1 for a ratio, 100 for percent and a
/// score.
bool in_range(double value, std::string_view unit);

/// What parse_quantity() wants, for messages: "a duration such as "100ms" or "1.5s"".
std::string expected_quantity(std::string_view unit);

/// Three significant figures: "150 ms", "5 %", "1.5 GiB", "20/s", "12".
std::string format_quantity(double value, std::string_view unit);

}  // namespace outrider
