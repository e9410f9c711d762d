// Small pieces for reading procfs. No shared state: thread-safe.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

/// The whole content of a procfs file, whose size stat does not tell. The error names the path.
Result<std::string> read_text(const std::string& path);

/// Words between blanks, tabs and line ends.
std::vector<std::string_view> split_words(std::string_view text);

/// The number that all of `text` is; none otherwise.
template <typename Number>
std::optional<Number> to_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace outrider
