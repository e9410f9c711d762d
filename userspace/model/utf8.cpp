#include "userspace/model/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace outrider {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
}

// Length of the well-formed sequence at `i`, 0 if there is none (Unicode 15, table 3-7: no overlong forms, no
// surrogates, nothing above U+10FFFF).
std::size_t sequence_length(std::string_view text, std::size_t i) {
  const unsigned first = byte_at(text, i);
  const unsigned second = byte_at(text, i + 1);
  const auto continues = [&](std::size_t k) { return (byte_at(text, i + k) & 0xC0U) == 0x80U; };
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && second < 0x90;
    const bool too_high = first == 0xF4 && second > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !too_high ? 4 : 0;
  }
  return 0;
}

char32_t code_at(std::string_view text, std::size_t i, std::size_t length) {
  if (length == 1) return byte_at(text, i);
  char32_t code = byte_at(text, i) & (0x7FU >> length);
  for (std::size_t k = 1; k < length; ++k) code = code << 6U | (byte_at(text, i + k) & 0x3FU);
  return code;
}

// Controls of C0 and C1; what has no width, turns the direction round or ends a line (Unicode's Cf, Zl and Zp that text
// is disguised with); the byte order mark; tags.
bool misleads(char32_t code) {
  constexpr std::array<std::pair<char32_t, char32_t>, 10> kRanges = {{{0x00, 0x1F},
                                                                      {0x7F, 0x9F},
                                                                      {0xAD, 0xAD},
                                                                      {0x061C, 0x061C},
                                                                      {0x180E, 0x180E},
                                                                      {0x200B, 0x200F},
                                                                      {0x2028, 0x202E},
                                                                      {0x2060, 0x206F},
                                                                      {0xFEFF, 0xFEFF},
                                                                      {0xE0000, 0xE007F}}};
  return std::any_of(kRanges.begin(), kRanges.end(),
                     [code](const auto& range) { return code >= range.first && code <= range.second; });
}

}  // namespace

std::string without_controls(std::string_view text) {
  const std::string valid = valid_utf8(text);
  std::string shown;
  shown.reserve(valid.size());
  for (std::size_t i = 0; i < valid.size();) {
    const std::size_t length = std::max<std::size_t>(sequence_length(valid, i), 1);
    const char32_t code = code_at(valid, i, length);
    if (!misleads(code)) {
      shown.append(valid, i, length);
    } else {
      shown += code < 0x100 ? fmt::format("\\x{:02x}", static_cast<unsigned>(code))
                            : fmt::format("\\u{:04x}", static_cast<unsigned>(code));
    }
    i += length;
  }
  return shown;
}

std::string log_text(std::string_view text, std::string_view line_start) {
  std::string shown;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (begin > 0) shown.append("\n").append(line_start).append("  ");
    shown += without_controls(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return shown;
}

std::string valid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  std::size_t begin = 0;  // of what is well-formed and not yet copied
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text, i);
    i += std::max<std::size_t>(length, 1);
    if (length > 0) continue;
    result += text.substr(begin, i - 1 - begin);
    result += "\xEF\xBF\xBD";
    begin = i;
  }
  result += text.substr(begin);
  return result;
}

}  // namespace outrider
