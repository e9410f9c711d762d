// A small chart of rows of text: bars from left (old) to right (new). Pure, thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace outrider {

/// `rows` lines from top to bottom, a column a value; the largest value is full height, a value above 0 is at least
/// seen. No value leaves a gap, and 0 is a line on the ground, in `unicode` and in ASCII.
std::vector<std::string> sparkline(const std::vector<std::optional<double>>& values, std::size_t rows, bool unicode);

}  // namespace outrider
