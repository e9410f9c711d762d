// Any bytes as a request: Beast's parser with our limits, then every check that we make. The first byte says how the
// server is guarded.
#include <algorithm>
#include <boost/asio/buffer.hpp>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/http/parsed_header.h"

namespace {

using outrider::demand;

outrider::RequestRules rules_of(int guard) {
  outrider::HttpServerOptions options;
  if (guard == 1) options.bearer_token = "secret";
  if (guard == 2) {
    options.basic_user = "user";
    options.basic_password = "password";
  }
  options.allowed_hosts = {"metrics.example.org", "[fe80::1]:9717"};
  auto policy = outrider::AccessPolicy::make(options, true);
  demand(static_cast<bool>(policy), "the options are good");
  return outrider::RequestRules(*std::move(policy));
}

void check_accepted(const outrider::HttpRequest& request) {
  const auto has_control = [](const std::string& text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  };
  demand(request.method == "GET" || request.method == "HEAD", "only GET and HEAD are asked");
  demand(request.path.starts_with('/') && !has_control(request.path), "a path is clean");
  demand(request.path.find("/..") == std::string::npos || request.path.find("/...") != std::string::npos ||
             request.path.find("/..") + 3 < request.path.size(),
         "a path leads nowhere else");
  demand(request.path.find("/../") == std::string::npos, "a path leads nowhere else");
  for (const auto& [key, value] : request.query) demand(!has_control(key) && !has_control(value), "a query is clean");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const outrider::RequestRules kRules[] = {rules_of(0), rules_of(1), rules_of(2)};
  outrider::HeaderParser parser;
  outrider::set_limits(parser);
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(data + 1, size - 1), error);
  if (error || !parser.is_header_done()) return 0;
  outrider::RequestHeader header = outrider::parsed_header(parser);
  header.peer = "127.0.0.1:1";
  header.local_address = "127.0.0.1";
  outrider::LiveCounters counters;
  const auto checked = kRules[data[0] % std::size(kRules)].check(header, counters);
  if (const auto* refusal = std::get_if<outrider::HttpResponse>(&checked)) {
    demand(refusal->status >= 400 && refusal->body != nullptr, "a refusal says why");
    return 0;
  }
  const auto& request = std::get<outrider::HttpRequest>(checked);
  check_accepted(request);
  // An echo: whatever a client sends, none of it becomes a header of the answer.
  const auto answer = outrider::call_handler(
      [](const outrider::HttpRequest& asked) {
        auto response = outrider::HttpResponse::text(200, asked.path);
        response.headers.emplace_back("X-Accept", asked.accept);
        return response;
      },
      request, counters);
  demand(answer.status == 200 || answer.status == 500, "an answer is one");
  return 0;
}
