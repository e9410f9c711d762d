// The target of a request line ("/api/v1/history?since=2h", or the absolute form), taken apart. Pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace outrider {

struct RequestTarget {
  std::string authority;                     ///< host of an absolute target, which replaces the Host header; else empty
  std::string path;                          ///< decoded
  std::map<std::string, std::string> query;  ///< decoded, '+' is a space
};

/// Nothing for what no client of ours sends: no leading '/', a bad percent sequence, "//", a "." or ".." segment, NUL
/// or another control character, a fragment, a query key given twice.
std::optional<RequestTarget> parse_request_target(std::string_view target);

/// Nothing if a '%' is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace outrider
