#include "userspace/target/session_title.h"

#include <string>

#include "userspace/model/utf8.h"
#include "userspace/target/session_scan.h"

namespace outrider {

std::optional<ClientSession> session_of_title(std::string_view title) {
  const outrider_session_words words = outrider_scan_title(title.data(), title.size());
  if (words.user_length == 0) return std::nullopt;
  const auto word = [&](std::size_t at, std::size_t length) {
    return valid_utf8(std::string(title.substr(at, length)));
  };
  return ClientSession{word(words.database, words.database_length), word(words.user, words.user_length),
                       word(words.client, words.client_length)};
}

}  // namespace outrider
