#include "userspace/base/quantity.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>

#include "userspace/base/units.h"

namespace outrider {
namespace {

struct Suffix {
  std::string_view unit, text;
  double times = 1, over = 1;  ///< both, because 5 / 100 is 0.05 where 5 * 0.01 is its neighbour
};

constexpr std::array<Suffix, 15> kSuffixes = {{{"seconds", "us", 1, 1e6},
                                               {"seconds", "ms", 1, 1e3},
                                               {"seconds", "s"},
                                               {"seconds", "m", 60},
                                               {"seconds", "h", 3600},
                                               {"seconds", "d", 86'400},
                                               {"ratio", "%", 1, 100},
                                               {"percent", "%"},
                                               {"1/s", "/s"},
                                               {"MiB", "B", 1, 1024.0 * 1024},
                                               {"MiB", "KiB", 1, 1024},
                                               {"MiB", "MiB"},
                                               {"MiB", "GiB", 1024},
                                               {"MiB", "TiB", 1024.0 * 1024},
                                               {"count", ""}}};

std::string three_figures(double value) { return fmt::format("{:.3g}", value); }

std::string format_mib(double mib) {
  if (std::abs(mib) >= 1024.0 * 1024) return three_figures(mib / (1024.0 * 1024)) + " TiB";
  if (std::abs(mib) >= 1024) return three_figures(mib / 1024) + " GiB";
  return three_figures(mib) + " MiB";
}

/// Without an exponent where people would not write one.
std::string format_number(double value) {
  return std::abs(value) >= 1000 ? fmt::format("{:.0f}", value) : three_figures(value);
}

}  // namespace

bool in_range(double value, std::string_view unit) {
  const double most = unit == "ratio" ? 1 : unit == "percent" || unit == "score" ? 100 : 1e15;
  return std::isfinite(value) && value >= 0 && value <= most;
}

std::string expected_quantity(std::string_view unit) {
  if (unit == "seconds") return R"(a duration such as "100ms" or "1.5s", or a number of seconds)";
  if (unit == "ratio") return R"(a percentage from "0%" to "100%", or a number from 0 to 1)";
  if (unit == "percent") return R"(a percentage from "0%" to "100%", or a number from 0 to 100)";
  if (unit == "1/s") return R"(a rate such as "20/s", or a number)";
  if (unit == "MiB") return R"(a size such as "512MiB" or "1.5GiB", or a number of MiB)";
  return unit == "score" ? "a number from 0 to 100" : "a number that is not negative";
}

Result<double> parse_quantity(const std::string& text, std::string_view unit) {
  const Error error{fmt::format("'{}' does not fit: write {}", text, expected_quantity(unit)), EINVAL};
  double number = 0;
  const char* last = text.data() + text.size();
  const auto [end, problem] = std::from_chars(text.data(), last, number);
  if (problem != std::errc{}) return error;
  const std::string_view suffix(end, static_cast<std::size_t>(last - end));
  for (const Suffix& known : kSuffixes) {
    if (known.unit != unit || known.text != suffix) continue;
    const double value = number * known.times / known.over;
    if (!in_range(value, unit)) return error;
    return value;
  }
  return error;
}

std::string format_quantity(double value, std::string_view unit) {
  if (unit == "seconds") return value >= 1000 ? fmt::format("{:.0f} s", value) : format_seconds(value);
  if (unit == "ratio") return three_figures(value * 100) + " %";
  if (unit == "percent") return three_figures(value) + " %";
  if (unit == "1/s") return format_number(value) + "/s";
  if (unit == "MiB") return format_mib(value);
  return format_number(value);
}

}  // namespace outrider
