#include "userspace/base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

namespace outrider {
namespace {

struct Number {
  double value = 0;
  std::string_view unit;
};

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kSizes = {
    {{"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}}};
constexpr double kLargestSize = 1ULL << 50;

std::optional<Number> split_number(const std::string& text) {
  Number number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.value);
  if (error != std::errc{}) return std::nullopt;
  number.unit = std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end));
  return number;
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(const std::string& text) {
  constexpr std::array<std::pair<std::string_view, double>, 6> kUnits = {
      {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  const Error error{fmt::format("'{}' is not a duration: write 500ms, 1s, 5m or 1h", text), EINVAL};
  const auto number = split_number(text);
  if (!number) return error;
  for (const auto& [unit, factor] : kUnits) {
    if (number->unit != unit) continue;
    const double ms = number->value * factor;
    if (!(ms >= 1) || ms > 1e12) return error;
    return std::chrono::milliseconds(std::llround(ms));
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

Result<double> parse_percent(const std::string& text) {
  const auto number = split_number(text);
  if (!number || number->unit != "%" || !(number->value >= 0) || number->value > 100) {
    return Error{fmt::format("'{}' is not a percentage: write one from 0% to 100%, such as 5%", text), EINVAL};
  }
  return number->value;
}

Result<std::uint64_t> parse_size(const std::string& text) {
  const Error error{fmt::format("'{}' is not a size: write 64KiB, 512MiB or 2GiB", text), EINVAL};
  const auto number = split_number(text);
  if (!number) return error;
  for (const auto& [unit, factor] : kSizes) {
    if (number->unit != unit) continue;
    const double bytes = number->value * static_cast<double>(factor);
    if (!(bytes >= 0) || bytes > kLargestSize) return error;
    return static_cast<std::uint64_t>(std::llround(bytes));
  }
  return error;
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

std::string format_duration(std::chrono::milliseconds duration) {
  constexpr std::array<std::pair<std::int64_t, std::string_view>, 4> kUnits = {
      {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}}};
  const std::int64_t ms = duration.count();
  for (const auto& [scale, unit] : kUnits) {
    const bool one_day = unit == "d" && ms == scale;  // people say 24h
    if (ms > 0 && ms % scale == 0 && !one_day) return fmt::format("{}{}", ms / scale, unit);
  }
  return fmt::format("{}ms", ms);
}

std::string format_size(std::uint64_t bytes) {
  std::string text = "0B";
  for (const auto& [unit, scale] : kSizes) {
    if (bytes > 0 && bytes % scale == 0) text = fmt::format("{}{}", bytes / scale, unit);
  }
  return text;
}

}  // namespace outrider
