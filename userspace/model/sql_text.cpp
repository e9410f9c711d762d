#include "userspace/model/sql_text.h"

#include <algorithm>
#include <cstddef>

#include "userspace/model/utf8.h"

namespace outrider {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Bytes of multi-byte characters belong to names.
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (static_cast<unsigned char>(c) & 0x80U) != 0;
}
bool continues_name(char c) { return begins_name(c) || is_digit(c) || c == '$'; }

class Scanner {
 public:
  explicit Scanner(std::string_view sql) : sql_(sql) {}

  /// Whether the whole text was understood; else what comes is left out.
  bool run();
  std::string take() { return std::move(out_); }

 private:
  [[nodiscard]] char at(std::size_t i) const { return i < sql_.size() ? sql_[i] : '\0'; }
  [[nodiscard]] bool ended() const { return at_ >= sql_.size(); }
  void put(std::string_view text);
  bool step();
  bool skip_comment();
  bool skip_string(bool escapes);
  bool skip_dollar_string();
  bool copy_quoted_name();
  bool copy_word();
  void skip_number();

  std::string_view sql_;
  std::size_t at_ = 0;
  bool blank_ = false;
  std::string out_;
};

void Scanner::put(std::string_view text) {
  if (blank_ && !out_.empty()) out_ += ' ';
  blank_ = false;
  out_ += text;
}

// At "--" or "/*". One that does not end goes to the end.
bool Scanner::skip_comment() {
  blank_ = true;
  if (at(at_) == '-') {
    at_ = std::min(sql_.find('\n', at_), sql_.size());
    return true;
  }
  for (int depth = 0; !ended();) {
    if (at(at_) == '/' && at(at_ + 1) == '*') {
      ++depth;
      at_ += 2;
    } else if (at(at_) == '*' && at(at_ + 1) == '/') {
      at_ += 2;
      if (--depth == 0) return true;
    } else {
      ++at_;
    }
  }
  return false;
}

// At the opening quote. Whether a backslash means something is a setting of the server: a quote behind one may end the
// string or not.
bool Scanner::skip_string(bool escapes) {
  put("?");
  for (++at_; !ended(); ++at_) {
    const bool quote_follows = at(at_ + 1) == '\'';
    if (at(at_) == '\\' && quote_follows && !escapes) return false;
    if ((at(at_) == '\\' && escapes) || (at(at_) == '\'' && quote_follows)) {
      ++at_;  // whatever it is, it is inside
    } else if (at(at_) == '\'') {
      ++at_;
      return !continues_name(at(at_));  // else it is not the end that was meant
    }
  }
  return false;
}

// At a dollar sign: $1 is a parameter, $tag$ opens a string.
bool Scanner::skip_dollar_string() {
  std::size_t end = at_ + 1;
  if (is_digit(at(end))) {
    while (is_digit(at(end))) ++end;
    put(sql_.substr(at_, end - at_));
    at_ = end;
    return true;
  }
  while (continues_name(at(end)) && at(end) != '$') ++end;
  if (at(end) != '$') {
    put("$");
    ++at_;
    return end < sql_.size();  // cut within a tag: what comes is unknown
  }
  const std::string_view tag = sql_.substr(at_, end + 1 - at_);
  put("?");
  const std::size_t close = sql_.find(tag, end + 1);
  if (close == std::string_view::npos) return false;
  at_ = close + tag.size();
  return true;
}

bool Scanner::copy_quoted_name() {
  const std::size_t close = sql_.find('"', at_ + 1);
  if (close == std::string_view::npos) return false;
  put(sql_.substr(at_, close + 1 - at_));
  at_ = close + 1;
  return true;
}

// A name or keyword, or the letter before a string.
bool Scanner::copy_word() {
  std::size_t end = at_;
  while (continues_name(at(end))) ++end;
  const std::string_view word = sql_.substr(at_, end - at_);
  if (at(end) == '\'') {
    at_ = end;
    constexpr std::string_view kPrefixes = "eEbBxXnN";
    if (word.size() != 1 || kPrefixes.find(word[0]) == std::string_view::npos) return false;  // or a literal's inside
    return skip_string(word == "e" || word == "E");
  }
  put(word);
  at_ = end;
  return true;
}

// Digits with whatever may be in a number: 1_000, 0xff, 1.5e-3.
void Scanner::skip_number() {
  put("?");
  while (continues_name(at(at_)) || at(at_) == '.') {
    const bool exponent = at(at_) == 'e' || at(at_) == 'E';
    ++at_;
    if (exponent && (at(at_) == '-' || at(at_) == '+') && is_digit(at(at_ + 1))) ++at_;
  }
}

bool Scanner::step() {
  const char c = at(at_);
  const char next = at(at_ + 1);
  if (is_space(c)) {
    blank_ = true;
    ++at_;
    return true;
  }
  if ((c == '-' && next == '-') || (c == '/' && next == '*')) return skip_comment();
  if (c == '\'') return skip_string(false);
  if (c == '$') return skip_dollar_string();
  if (c == '"') return copy_quoted_name();
  if (begins_name(c)) return copy_word();
  if (is_digit(c) || (c == '.' && is_digit(next))) {
    skip_number();
    return true;
  }
  put(sql_.substr(at_, 1));
  ++at_;
  return true;
}

bool Scanner::run() {
  while (!ended()) {
    if (!step()) return false;
  }
  return true;
}

}  // namespace

std::string without_literals(std::string_view sql, bool is_cut) {
  Scanner scanner(sql);
  const bool whole = scanner.run();
  std::string text = valid_utf8(scanner.take());
  if (!whole || is_cut) text += "...";
  return text;
}

}  // namespace outrider
