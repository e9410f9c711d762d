// Numbers from JSON that others wrote. nlohmann's own get<int>() makes of 1e300 or -1 what the processor happens to.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

namespace outrider {

/// The whole number in `json`. Throws an exception of its library, as get() does of a text, where it is none, is not
/// whole, or does not fit.
template <typename T, typename Json>
T whole_number(const Json& json) {
  if (json.is_number_unsigned()) {
    const auto value = json.template get<std::uint64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  } else if (json.is_number_integer()) {
    const auto value = json.template get<std::int64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  } else if (json.is_number_float()) {
    constexpr double kExact = 9007199254740992.0;  // 2^53
    const auto value = json.template get<double>();
    if (std::trunc(value) == value && std::abs(value) <= kExact && std::in_range<T>(static_cast<std::int64_t>(value))) {
      return static_cast<T>(value);
    }
  }
  static_cast<void>(json.at(json.size()));  // always throws
  return T{};
}

/// A time in Unix milliseconds, or a length of time: so far from the ends that differences of two fit.
template <typename Json>
std::int64_t kept_ms(const Json& json) {
  constexpr std::int64_t kMost = std::int64_t{1} << 53;
  const auto value = whole_number<std::int64_t>(json);
  if (value < -kMost || value > kMost) static_cast<void>(json.at(json.size()));
  return value;
}

}  // namespace outrider
