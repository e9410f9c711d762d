// One HTTP(S) request to a peer of the agent's (InfluxDB, a webhook, Alertmanager), with a deadline that holds
// whatever the peer does. Blocking: for a thread that may wait, never for the sampling path. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

struct HttpCall {
  std::string url;  ///< http:// or https://
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{3000};  ///< name, TCP and TLS
  std::chrono::milliseconds total_timeout{10000};   ///< everything, connecting included
  std::size_t reply_limit = 65536;                  ///< bytes of a reply's body; a larger one is an error
  bool cut_reply = false;                           ///< no error then, but a reply whose body is cut, or empty
  std::string ca_file;                              ///< PEM; empty: the certificates that the system trusts
  /// Asked a few times a second once the name is resolved; true ends the call with ECANCELED. May be empty.
  std::function<bool()> give_up;
};

struct HttpReply {
  int status = 0;
  std::string body;  ///< at most HttpCall::reply_limit
  std::vector<std::pair<std::string, std::string>> headers;

  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

/// Any status is a reply; redirects are not followed, since they could carry a token elsewhere. Certificates and host
/// names are always verified. Errors: a bad URL, method or header, no connection, a certificate that is not trusted, a
/// deadline missed, a reply that is no HTTP or larger than `reply_limit` (unless `cut_reply`). The message names
/// scheme, host and port only.
Result<HttpReply> http_request(const HttpCall& call);

}  // namespace outrider
