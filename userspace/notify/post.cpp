#include "userspace/notify/post.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "userspace/http/url.h"
#include "userspace/notify/notice_text.h"

namespace outrider {
namespace {

constexpr std::size_t kReasonBytes = 300;
constexpr int kRedirect = 300;
constexpr int kClientError = 400;
constexpr int kServerError = 500;

// Unauthorized, Forbidden, Proxy Authentication Required; Request Timeout, Too Many Requests.
constexpr int kAccess[] = {401, 403, 407};
constexpr int kLater[] = {408, 429};

bool is_one_of(const int (&all)[3], int status) {
  return std::find(std::begin(all), std::end(all), status) != std::end(all);
}

bool is_final(int status) {
  const bool later = std::find(std::begin(kLater), std::end(kLater), status) != std::end(kLater);
  return status >= kClientError && status < kServerError && !later && !is_one_of(kAccess, status);
}

const char* advice_for(int status) {
  if (is_one_of(kAccess, status)) return "check the token in bearer_token_file";
  if (status >= kRedirect && status < kClientError) return "redirects are not followed; give the URL that it leads to";
  if (is_final(status)) return "check the URL and what the receiver expects";
  return "see what the receiver's log says";
}

}  // namespace

Result<Post> Post::make(const PostOptions& options) {
  HttpCall call;
  call.url = options.url;
  if (auto url = parse_url(call.url); !url) return url.error();
  if (one_line(options.token, options.token.size()) != options.token) {
    return Error{"the token has a line break or another control character; check its file"};
  }
  call.method = "POST";
  call.headers.emplace_back("Content-Type", "application/json");
  if (!options.token.empty()) call.headers.emplace_back("Authorization", "Bearer " + options.token);
  call.cut_reply = true;  // its status says whether the notices were taken, and only its beginning is told
  call.ca_file = options.ca_file;
  call.total_timeout = options.timeout;
  call.connect_timeout = std::min(call.connect_timeout, options.timeout);
  return Post(std::move(call));
}

Delivery Post::send(std::string body, const Channel::GiveUp& give_up) {
  call_.body = std::move(body);
  call_.give_up = give_up;
  const auto reply = http_request(call_);
  if (!reply) return {Delivery::Fate::kRetry, reply.error().message};
  if (reply->ok()) return {};
  const std::string reason = one_line(reply->body, kReasonBytes);
  return {is_final(reply->status) ? Delivery::Fate::kRefused : Delivery::Fate::kRetry,
          fmt::format("HTTP {}{}{}; {}", reply->status, reason.empty() ? "" : ": ", reason, advice_for(reply->status))};
}

}  // namespace outrider
