// From the header of a request to its answer: every check in its order, then the handler. Knows no sockets. Immutable.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "userspace/http/access_policy.h"
#include "userspace/http/message.h"

namespace outrider {

/// HttpCounters as they are kept: written by the server's threads, read by any.
struct LiveCounters {
  using Count = std::atomic<uint64_t>;
  Count requests{0}, connections{0}, refused{0}, evicted{0}, timeouts{0}, malformed{0}, too_large{0}, wrong_host{0};
  Count cross_site{0}, wrong_method{0}, unauthorized{0}, handler_errors{0}, streams_dropped{0}, streams_refused{0},
      busy{0};
  Count accept_errors{0};
};

/// A parsed header, as views into the parser's memory.
struct RequestHeader {
  std::string_view method;
  std::string_view target;
  std::string_view host;
  std::size_t host_count = 0;  ///< how many Host headers there are
  std::string_view authorization;
  std::string_view accept;
  std::string_view fetch_site, fetch_mode;  ///< Sec-Fetch-Site and -Mode; empty: whoever asks is no browser
  bool has_body = false;
  std::string_view peer;
  std::string_view local_address;
};

class RequestRules {
 public:
  explicit RequestRules(AccessPolicy policy) : policy_(std::move(policy)) {}

  /// What to ask the handler, or what to refuse the request with. Never throws. Counts the reason of every refusal.
  [[nodiscard]] std::variant<HttpRequest, HttpResponse> check(const RequestHeader& header,
                                                              LiveCounters& counters) const;

 private:
  [[nodiscard]] HttpResponse refuse_unauthorized() const;

  AccessPolicy policy_;
};

/// Never throws: a handler that does is counted and answered for.
HttpResponse call_handler(const HttpHandler& handler, const HttpRequest& request, LiveCounters& counters);

}  // namespace outrider
