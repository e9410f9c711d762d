// Mail through a local sendmail, which reads the recipients from the message (-t).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/notify/channels.h"

namespace outrider {

/// A message of the form of RFC 5322. What does not come from the configuration is in encoded words (RFC 2047) and in a
/// body in base64 (RFC 2045), so that nothing in it can pass for a header or the end of the message.
std::string mail_message(const MailOptions& options, const std::vector<Notice>& group);

class MailChannel : public Channel {
 public:
  /// Errors: no recipient, an address with a comma, a space or a control character, a relative path of sendmail.
  static Result<std::unique_ptr<Channel>> make(MailOptions options);
  Delivery deliver(const std::vector<Notice>& group, const GiveUp& give_up) override;

 private:
  explicit MailChannel(MailOptions options) : options_(std::move(options)) {}
  MailOptions options_;
};

}  // namespace outrider
