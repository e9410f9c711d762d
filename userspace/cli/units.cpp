#include "userspace/cli/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>

namespace outrider {
namespace {

struct Number {
  double value = 0;
  std::string_view unit;
};

std::optional<Number> split_number(const std::string& text) {
  Number number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.value);
  if (error != std::errc{}) return std::nullopt;
  number.unit = std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end));
  return number;
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(const std::string& text) {
  constexpr std::array<std::pair<std::string_view, double>, 5> kUnits = {
      {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  const Error error{fmt::format("'{}' is not a duration: write 500ms, 1s, 5m or 1h", text), EINVAL};
  const auto number = split_number(text);
  if (!number) return error;
  for (const auto& [unit, factor] : kUnits) {
    if (number->unit != unit) continue;
    const double ms = number->value * factor;
    if (!(ms >= 1) || ms > 1e12) return error;
    return std::chrono::milliseconds(static_cast<std::int64_t>(ms));
  }
  return error;
}

Result<std::optional<double>> parse_budget(const std::string& text) {
  if (text == "off") return std::optional<double>();
  const auto number = split_number(text);
  if (!number || (number->unit != "%" && !number->unit.empty()) || !(number->value > 0) || number->value > 100) {
    return Error{fmt::format("'{}' is not a budget: write a percentage such as 3%, or off", text), EINVAL};
  }
  return std::optional<double>(number->value);
}

std::string format_seconds(double seconds) {
  constexpr std::array<std::pair<double, std::string_view>, 4> kUnits = {
      {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}}};
  for (const auto& [scale, unit] : kUnits) {
    const double value = seconds / scale;
    if (value < 0.9995 && scale > 1e-9) continue;
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", value, scale > 1e-9 ? decimals : 0, unit);
  }
  return "0 ns";
}

}  // namespace outrider
