#include "userspace/tui/line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cwchar>
#include <numeric>
#include <utility>

#include "userspace/model/utf8.h"

namespace outrider {
namespace {

/// One character of well-formed UTF-8.
struct Character {
  std::string_view bytes;
  char32_t code = 0;
};

Character character_at(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {text.substr(i, 1), first};
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  char32_t code = first & (0x7FU >> length);
  for (std::size_t k = 1; k < length; ++k) code = code << 6U | (byte(k) & 0x3FU);
  return {text.substr(i, length), code};
}

int columns_of(char32_t code) { return ::wcwidth(static_cast<wchar_t>(code)); }

std::string escaped(char32_t code) {
  if (code < 0x100) return fmt::format("\\x{:02x}", static_cast<unsigned>(code));
  return fmt::format("\\u{:04x}", static_cast<unsigned>(code));
}

// As many whole characters as fit.
std::string first_columns(std::string_view text, std::size_t width) {
  std::size_t used = 0;
  std::size_t i = 0;
  while (i < text.size()) {
    const Character one = character_at(text, i);
    const auto columns = static_cast<std::size_t>(columns_of(one.code));
    if (used + columns > width) break;
    used += columns;
    i += one.bytes.size();
  }
  return std::string(text.substr(0, i));
}

}  // namespace

Style wait_style(std::size_t wait) { return static_cast<Style>(static_cast<std::size_t>(Style::kWaitFirst) + wait); }

std::string text_of(const Line& line) {
  return std::accumulate(line.spans.begin(), line.spans.end(), std::string(),
                         [](std::string text, const Span& span) { return std::move(text) + span.text; });
}

std::string printable(std::string_view text) {
  const std::string valid = valid_utf8(text);
  std::string shown;
  shown.reserve(valid.size());
  for (std::size_t i = 0; i < valid.size();) {
    const Character one = character_at(valid, i);
    if (columns_of(one.code) > 0) {
      shown += one.bytes;
    } else {
      shown += escaped(one.code);
    }
    i += one.bytes.size();
  }
  return shown;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Character one = character_at(text, i);
    width += static_cast<std::size_t>(std::max(columns_of(one.code), 0));
    i += one.bytes.size();
  }
  return width;
}

std::string cut(std::string_view text, std::size_t width) {
  std::string shown = printable(text);
  if (width_of(shown) <= width) return shown;
  if (width == 0) return {};
  return first_columns(shown, width - 1) + "~";
}

void LineBuilder::append(std::string text, std::size_t columns, Style style) {
  column_ += columns;
  auto& spans = line_.spans;
  if (!spans.empty() && spans.back().style == style) {
    spans.back().text += text;
  } else if (!text.empty()) {
    spans.push_back({std::move(text), style});
  }
}

LineBuilder& LineBuilder::add(std::string_view text, Style style) {
  std::string shown = cut(text, room());
  const std::size_t columns = width_of(shown);
  append(std::move(shown), columns, style);
  return *this;
}

LineBuilder& LineBuilder::right(std::string_view text, std::size_t width, Style style) {
  const std::string shown = cut(text, width);
  return add(std::string(width - width_of(shown), ' '), style).add(shown, style);
}

LineBuilder& LineBuilder::left(std::string_view text, std::size_t width, Style style) {
  const std::string shown = cut(text, width);
  return add(shown, style).add(std::string(width - width_of(shown), ' '), style);
}

LineBuilder& LineBuilder::pad_to(std::size_t column, Style style) {
  const std::size_t end = std::min(column, width_);
  if (end > column_) append(std::string(end - column_, ' '), end - column_, style);
  return *this;
}

}  // namespace outrider
