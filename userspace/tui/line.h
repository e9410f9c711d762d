// What the terminal shows, as plain data: lines of styled text, already cut to the width. Whatever comes from outside
// passes LineBuilder, so that no name can send the terminal a control sequence. Widths are columns, by the C library's
// wcwidth() in the locale of LC_CTYPE: in an ASCII locale other characters are escaped. Thread-safe but for
// setlocale().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace outrider {

/// kWaitFirst + i is the style of wait class i.
enum class Style : std::uint8_t { kPlain, kDim, kStrong, kTitle, kGood, kWarn, kBad, kWaitFirst = 16 };

Style wait_style(std::size_t wait);

struct Span {
  std::string text;
  Style style = Style::kPlain;
};

struct Line {
  std::vector<Span> spans;
  bool selected = false;
};

using Screen = std::vector<Line>;

/// The text of a line without its styles.
std::string text_of(const Line& line);

/// `text` with everything that is not printable escaped (\x1b, \u202e), what has no width of its own included: it could
/// hide or disguise what stands beside it.
std::string printable(std::string_view text);

/// Columns that printable text takes.
std::size_t width_of(std::string_view text);

/// printable(), at most `width` columns; what was cut ends with a mark.
std::string cut(std::string_view text, std::size_t width);

/// Puts a line together from left to right; what does not fit is cut.
class LineBuilder {
 public:
  explicit LineBuilder(std::size_t width) : width_(width) {}

  LineBuilder& add(std::string_view text, Style style = Style::kPlain);
  /// Right-aligned in a column of `width`; a longer text is cut.
  LineBuilder& right(std::string_view text, std::size_t width, Style style = Style::kPlain);
  /// Left-aligned in a column of `width`.
  LineBuilder& left(std::string_view text, std::size_t width, Style style = Style::kPlain);
  /// Spaces up to this column, if it has not come that far.
  LineBuilder& pad_to(std::size_t column, Style style = Style::kPlain);

  [[nodiscard]] std::size_t column() const { return column_; }
  [[nodiscard]] std::size_t room() const { return width_ - column_; }
  [[nodiscard]] Line take() { return std::move(line_); }

 private:
  void append(std::string text, std::size_t columns, Style style);

  std::size_t width_;
  std::size_t column_ = 0;
  Line line_;
};

}  // namespace outrider
