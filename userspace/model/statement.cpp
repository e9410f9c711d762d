#include "userspace/model/statement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "userspace/model/statement_scan.h"
#include "userspace/model/utf8.h"

namespace outrider {

std::string shown_statement(const outrider_statement_text& written) {
  const std::size_t length = std::min<std::size_t>(written.length, sizeof(written.text));
  return valid_utf8(std::string(&written.text[0], length)) + (written.flags == 0 ? "" : "...");
}

std::optional<Statement> statement_of(std::string_view sql) {
  outrider_statement_text written;
  const std::uint64_t fingerprint = outrider_scan_statement(sql.data(), sql.size(), &written);
  if (fingerprint == 0) return std::nullopt;
  return Statement{fingerprint, shown_statement(written)};
}

std::string statement_type(std::uint64_t fingerprint, std::string_view text) {
  constexpr std::size_t kLongestWord = 15;
  constexpr unsigned kShownBits = 48;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  const auto begin = std::find_if(text.begin(), text.end(), letter);
  std::string word(begin, std::find_if_not(begin, text.end(), letter));
  if (word.empty() || word.size() > kLongestWord) word = "UNKNOWN";
  for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return fmt::format("{} {:012x}", word, fingerprint >> (64 - kShownBits));
}

}  // namespace outrider
