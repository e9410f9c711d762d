#include "userspace/tui/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace outrider {
namespace {

constexpr std::size_t kEighths = 8;  // of a row
using Blocks = std::array<std::string_view, kEighths + 1>;
constexpr Blocks kUnicode = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr Blocks kAscii = {" ", "_", "_", ".", ".", ":", ":", "|", "#"};

// In eighths of a row.
std::size_t height_of(double value, double most, std::size_t rows) {
  if (most <= 0 || value <= 0) return 1;
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(value / most * kEighths * rows)));
}

}  // namespace

std::vector<std::string> sparkline(const std::vector<std::optional<double>>& values, std::size_t rows, bool unicode) {
  const Blocks& blocks = unicode ? kUnicode : kAscii;
  double most = 0;
  for (const auto& value : values) most = std::max(most, value.value_or(0));
  std::vector<std::string> lines(rows);
  for (const auto& value : values) {
    const std::size_t height = value ? height_of(*value, most, rows) : 0;
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t below = (rows - 1 - row) * kEighths;
      lines[row] += blocks[height > below ? std::min(height - below, kEighths) : 0];
    }
  }
  return lines;
}

}  // namespace outrider
