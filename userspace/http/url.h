// A URL that the agent sends to, taken apart. Pure.
#pragma once

#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace outrider {

struct Url {
  bool https = false;
  std::string host;    ///< without the brackets of an IPv6 address
  std::string port;    ///< digits; the scheme's own if none was given
  std::string target;  ///< path and query, as given, at least "/"

  /// What belongs in the Host header.
  [[nodiscard]] std::string authority() const;
  /// Scheme, host and port: fit for logs, since a path or query may hold a secret.
  [[nodiscard]] std::string origin() const;
};

/// Errors: another scheme than http and https, no host, a bad port, a name and password inside, spaces or control
/// characters. The message shows nothing of the URL behind its scheme.
Result<Url> parse_url(std::string_view text);

/// `text` as a value in a query: all but letters, digits and "-._~" becomes %XX (RFC 3986).
std::string percent_encode(std::string_view text);

}  // namespace outrider
