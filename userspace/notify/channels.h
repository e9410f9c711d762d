// The kinds of alert channels there are. None has to work when it is made: the receiver may come later.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/notify/channel.h"
#include "userspace/notify/post.h"

namespace outrider {

/// One line of the agent's log for each notice, whatever the level of the log is.
struct LogChannelOptions {};

/// Runs a program for each group, which is JSON on its standard input (group_json in notice_text.h).
struct ExecChannelOptions {
  std::vector<std::string> command;  ///< an absolute path and its arguments
  std::chrono::milliseconds timeout{10'000};
};

/// POSTs each group as JSON (group_json in notice_text.h).
struct WebhookOptions {
  PostOptions post;
};

/// The API of Prometheus Alertmanager, version 2. It forgets an alert that it is not told of again in time, so that
/// QueueOptions::repeat_interval must be well below `valid_for`.
struct AlertmanagerOptions {
  PostOptions post;  ///< its URL without /api/v2/alerts
  std::chrono::milliseconds valid_for = std::chrono::minutes(4);
  std::function<std::int64_t()> now_ms;  ///< Unix milliseconds; empty: the system's clock
};

/// Appends each notice as a line of JSON.
struct FileChannelOptions {
  std::string path;  ///< "-": stdout
};

/// A message for each group, through a local sendmail.
struct MailOptions {
  std::vector<std::string> to;
  std::string from;  ///< empty: sendmail's own
  std::string sendmail = "/usr/sbin/sendmail";
  std::chrono::milliseconds timeout{30'000};
};

using ChannelOptions = std::variant<LogChannelOptions, ExecChannelOptions, WebhookOptions, AlertmanagerOptions,
                                    FileChannelOptions, MailOptions>;

/// Errors: a bad URL or token, no command, a relative path of a program, no recipient, an address that could pass for
/// more than one line or one recipient.
Result<std::unique_ptr<Channel>> make_channel(const ChannelOptions& options);

}  // namespace outrider
