#include "userspace/target/session_title.h"

#include <algorithm>
#include <vector>

#include "userspace/model/utf8.h"

namespace outrider {
namespace {

constexpr std::string_view kServer = "postgres: ";
constexpr std::size_t kWordsLookedAt = 16;

// "[local]", or an address or host name with a port: "192.0.2.1(41234)".
bool is_client(std::string_view word) {
  if (word == "[local]") return true;
  const std::size_t open = word.rfind('(');
  if (open == 0 || open == std::string_view::npos || !word.ends_with(')')) return false;
  const std::string_view port = word.substr(open + 1, word.size() - open - 2);
  return !port.empty() && std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The first word, which is taken off.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

}  // namespace

std::optional<ClientSession> session_of_title(std::string_view title) {
  if (!title.starts_with(kServer)) return std::nullopt;
  title.remove_prefix(kServer.size());
  std::vector<std::string_view> words;
  words.reserve(kWordsLookedAt);
  while (!title.empty() && words.size() < kWordsLookedAt && (words.empty() || !is_client(words.back()))) {
    words.push_back(take_word(title));
  }
  if (words.size() < 3 || !is_client(words.back())) return std::nullopt;
  while (!title.empty()) {
    if (is_client(take_word(title))) return std::nullopt;  // which of the two is it?
  }
  const std::string_view user = words[words.size() - 3], database = words[words.size() - 2];
  // Before them nothing but the cluster's name, which has a colon at its end.
  if (words.size() > 3 && !words[words.size() - 4].ends_with(':')) return std::nullopt;
  if (user.empty() || database.empty() || user == "walsender") return std::nullopt;
  return ClientSession{valid_utf8(std::string(database)), valid_utf8(std::string(user)),
                       valid_utf8(std::string(words.back()))};
}

}  // namespace outrider
