#include "userspace/notify/channels.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "userspace/base/line_file.h"
#include "userspace/model/notice_json.h"
#include "userspace/notify/alertmanager.h"
#include "userspace/notify/mail.h"
#include "userspace/notify/notice_text.h"
#include "userspace/notify/process.h"

namespace outrider {
namespace {

using Made = Result<std::unique_ptr<Channel>>;

constexpr std::size_t kLogBytes = 2000;

Delivery delivery_of(const Status& status) {
  return status ? Delivery{} : Delivery{Delivery::Fate::kRetry, status.error().message};
}

spdlog::level::level_enum level_of(const Notice& notice) {
  if (notice.what == Notice::What::kResolved || notice.severity == Severity::kInfo) return spdlog::level::info;
  return notice.severity == Severity::kWarning ? spdlog::level::warn : spdlog::level::err;
}

/// Writes where the default logger does, but at every level: the channel has a severity of its own, and what [log]
/// level held back would be counted as told.
class LogChannel : public Channel {
 public:
  Delivery deliver(const std::vector<Notice>& group, const GiveUp& /*give_up*/) override {
    // Made anew each time, of whatever logger there is by now. The sinks are shared, and with them how a line looks.
    const auto log = spdlog::default_logger()->clone("alerts");
    log->set_level(spdlog::level::trace);
    for (const Notice& notice : group) {
      const std::string text = notice.text.empty() ? "" : ": " + notice.text;
      const std::string line = headline(notice) + " (" + name_of(notice.severity) + ")" + text;
      log->log(level_of(notice), "alert {} [{}]", one_line(line, kLogBytes), one_line(notice.id, kLogBytes));
    }
    return {};
  }
};

class ExecChannel : public Channel {
 public:
  explicit ExecChannel(ExecChannelOptions options) : options_(std::move(options)) {}
  Delivery deliver(const std::vector<Notice>& group, const GiveUp& give_up) override {
    return delivery_of(run_process({options_.command, group_json(group) + '\n', options_.timeout, give_up}));
  }

 private:
  ExecChannelOptions options_;
};

class WebhookChannel : public Channel {
 public:
  explicit WebhookChannel(Post post) : post_(std::move(post)) {}
  Delivery deliver(const std::vector<Notice>& group, const GiveUp& give_up) override {
    return post_.send(group_json(group), give_up);
  }

 private:
  Post post_;
};

class FileChannel : public Channel {
 public:
  explicit FileChannel(FileChannelOptions options) : file_(std::move(options.path)) {}
  Delivery deliver(const std::vector<Notice>& group, const GiveUp& /*give_up*/) override {
    std::string lines;
    for (const Notice& notice : group) lines += to_json(notice).dump() + '\n';
    return delivery_of(file_.append(lines));
  }

 private:
  LineFile file_;
};

struct Maker {
  Made operator()(const LogChannelOptions& /*options*/) const {
    return std::unique_ptr<Channel>(std::make_unique<LogChannel>());
  }
  Made operator()(const ExecChannelOptions& options) const {
    if (options.command.empty() || !options.command.front().starts_with('/')) {
      return Error{R"(a channel that runs a program needs its absolute path; set command = ["/path", "argument"])"};
    }
    return std::unique_ptr<Channel>(std::make_unique<ExecChannel>(options));
  }
  Made operator()(const WebhookOptions& options) const {
    auto post = Post::make(options.post);
    if (!post) return post.error();
    return std::unique_ptr<Channel>(std::make_unique<WebhookChannel>(*std::move(post)));
  }
  Made operator()(const AlertmanagerOptions& options) const { return AlertmanagerChannel::make(options); }
  Made operator()(const FileChannelOptions& options) const {
    if (options.path.empty()) return Error{"a channel that is a file needs its path; set path"};
    return std::unique_ptr<Channel>(std::make_unique<FileChannel>(options));
  }
  Made operator()(const MailOptions& options) const { return MailChannel::make(options); }
};

}  // namespace

Result<std::unique_ptr<Channel>> make_channel(const ChannelOptions& options) { return std::visit(Maker{}, options); }

}  // namespace outrider
