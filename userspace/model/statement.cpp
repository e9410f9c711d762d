#include "userspace/model/statement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "userspace/model/statement_scan.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

constexpr unsigned kShownDigits = 12;

}  // namespace

std::string shown_statement(const outrider_statement_text& written) {
  const std::size_t length = std::min<std::size_t>(written.length, sizeof(written.text));
  return valid_utf8(std::string(&written.text[0], length)) + (written.flags == 0 ? "" : "...");
}

std::optional<ClientSession> session_of_statement(const outrider_statement_text& written) {
  const auto name = [&](std::size_t at, std::size_t length) {
    return valid_utf8(std::string(std::string_view(&written.names[0], sizeof(written.names)).substr(at, length)));
  };
  ClientSession session;
  session.user = name(0, written.user_length);
  session.database = name(std::min<std::size_t>(written.database_at, sizeof(written.names)), written.database_length);
  if (session.user.empty() && session.database.empty()) return std::nullopt;
  return session;
}

std::string whose(const std::shared_ptr<const ClientSession>& session) {
  return session ? session_words(*session) + ": " : "";
}

std::optional<SqlStatement> statement_of(std::string_view sql, outrider_sql_dialect dialect) {
  outrider_statement_text written;
  const std::uint64_t fingerprint = outrider_scan_statement(dialect, sql.data(), sql.size(), &written);
  if (fingerprint == 0) return std::nullopt;
  return SqlStatement{fingerprint, shown_statement(written)};
}

std::string statement_type(std::uint64_t fingerprint, std::string_view text) {
  constexpr std::size_t kLongestWord = 15;
  constexpr unsigned kShownBits = 4 * kShownDigits;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  const auto begin = std::find_if(text.begin(), text.end(), letter);
  std::string word(begin, std::find_if_not(begin, text.end(), letter));
  if (word.empty() || word.size() > kLongestWord) word = "UNKNOWN";
  for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return fmt::format("{} {:0{}x}", word, fingerprint >> (64 - kShownBits), kShownDigits);
}

bool is_statement_type(std::string_view type) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; };
  if (type.size() < kShownDigits + 2) return false;
  const std::string_view word = type.substr(0, type.size() - kShownDigits - 1);
  const std::string_view digits = type.substr(word.size() + 1);
  return type[word.size()] == ' ' && std::all_of(word.begin(), word.end(), is_letter) &&
         std::all_of(digits.begin(), digits.end(), is_digit);
}

bool is_of_type(std::string_view type, std::string_view wanted) {
  return type == wanted || (is_statement_type(type) && type.substr(0, type.find(' ')) == wanted);
}

}  // namespace outrider
