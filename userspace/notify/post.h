// POST of JSON, as webhooks and Alertmanager take it. Not thread-safe.
#pragma once

#include <chrono>
#include <string>

#include "userspace/base/result.h"
#include "userspace/http/client.h"
#include "userspace/notify/channel.h"

namespace outrider {

struct PostOptions {
  std::string url;                            ///< http:// or https://
  std::string token;                          ///< sent as "Authorization: Bearer TOKEN"; empty: none
  std::string ca_file;                        ///< PEM; empty: the certificates that the system trusts
  std::chrono::milliseconds timeout{10'000};  ///< of one attempt, connecting included
};

class Post {
 public:
  /// Sends nothing yet. Errors: a bad URL or token.
  static Result<Post> make(const PostOptions& options);

  /// 2xx is accepted. Refused for good is a 4xx that says something of the notices. All else is tried again: no
  /// connection, no answer in time, a bad certificate, 5xx, 429, a redirect (which is never followed, since it could
  /// carry the token elsewhere), and what will be mended and not by us, such as a token that is not known.
  Delivery send(std::string body, const Channel::GiveUp& give_up);

 private:
  explicit Post(HttpCall call) : call_(std::move(call)) {}
  HttpCall call_;  // all but the body
};

}  // namespace outrider
