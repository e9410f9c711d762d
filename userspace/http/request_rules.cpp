#include "userspace/http/request_rules.h"

#include <algorithm>

#include "userspace/http/request_target.h"

namespace outrider {
namespace {

// A line break in a header value would let whoever chose the value write headers of their own.
bool can_be_sent(const HttpResponse& response) {
  const auto is_clean = [](const std::string& text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  };
  return is_clean(response.content_type) &&
         std::all_of(response.headers.begin(), response.headers.end(), [&](const auto& header) {
           return !header.first.empty() && is_clean(header.first) && is_clean(header.second);
         });
}

// A browser says whose page asks (Fetch Metadata, W3C): no page of another site may have the agent do something, but a
// link from one to ours works. Other clients send none of these headers.
bool is_cross_site(const RequestHeader& header, const std::string& path) {
  if (header.fetch_site.empty() || header.fetch_site == "same-origin" || header.fetch_site == "none") return false;
  return header.fetch_mode != "navigate" || header.method != "GET" || path.starts_with("/api/");
}

}  // namespace

std::variant<HttpRequest, HttpResponse> RequestRules::check(const RequestHeader& header, LiveCounters& counters) const {
  if (header.has_body) {
    ++counters.too_large;
    return HttpResponse::text(413, "This server takes no request bodies.\n");
  }
  auto target = parse_request_target(header.target);
  if (!target || header.host_count != 1) {
    ++counters.malformed;
    return HttpResponse::text(400, target ? "Send exactly one Host header.\n" : "That is not a path of this server.\n");
  }
  const std::string_view host = target->authority.empty() ? header.host : std::string_view(target->authority);
  if (!policy_.allows_host(host, header.local_address)) {
    ++counters.wrong_host;
    return HttpResponse::text(421, "This server does not answer to that Host; add it to allowed_hosts.\n");
  }
  if (header.method != "GET" && header.method != "HEAD") {
    ++counters.wrong_method;
    auto response = HttpResponse::text(405, "Only GET and HEAD are answered here.\n");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  if (is_cross_site(header, target->path)) {
    ++counters.cross_site;
    return HttpResponse::text(403, "This server does not answer to the pages of other sites.\n");
  }
  if (!policy_.authorizes(header.authorization)) {
    ++counters.unauthorized;
    return refuse_unauthorized();
  }
  return HttpRequest{std::string(header.method), std::move(target->path), std::move(target->query),
                     std::string(header.accept), std::string(header.peer)};
}

HttpResponse RequestRules::refuse_unauthorized() const {
  auto response = HttpResponse::text(401, "Send the token or the password of this server.\n");
  for (auto& challenge : policy_.challenges()) response.headers.emplace_back("WWW-Authenticate", std::move(challenge));
  return response;
}

HttpResponse call_handler(const HttpHandler& handler, const HttpRequest& request, LiveCounters& counters) {
  ++counters.requests;
  try {
    auto response = handler(request);
    if (can_be_sent(response)) return response;
  } catch (...) {
    // What was thrown may hold figures or paths: it is counted, and not shown to the client.
  }
  ++counters.handler_errors;
  return HttpResponse::text(500, "The agent failed to answer; its log may say why.\n");
}

}  // namespace outrider
