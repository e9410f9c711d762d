#include "userspace/service/alert_channels.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <utility>

#include "userspace/config/load.h"
#include "userspace/model/rule.h"
#include "userspace/notify/channels.h"
#include "userspace/service/aside.h"

namespace outrider {
namespace {

// One that is switched off by a reload has as long to hand on what it has; judging waits for it.
constexpr std::chrono::milliseconds kRetireTime{500};

std::string key_of(const std::string& channel) { return "alerts.channel." + channel; }

PostOptions post_options(const ChannelConfig& config, const std::string& token) {
  return {config.url, token, config.ca_file, config.timeout};
}

ChannelOptions channel_options(const ChannelConfig& config, const std::string& token) {
  if (config.type == "exec") return ExecChannelOptions{config.command, config.timeout};
  if (config.type == "webhook") return WebhookOptions{post_options(config, token)};
  if (config.type == "alertmanager") {
    AlertmanagerOptions options;
    options.post = post_options(config, token);
    options.valid_for = std::max<std::chrono::milliseconds>(options.valid_for, 4 * config.repeat_interval);
    return options;
  }
  if (config.type == "file") return FileChannelOptions{config.path};
  if (config.type == "mail") return MailOptions{config.to, config.from, config.sendmail, config.timeout};
  return LogChannelOptions{};
}

QueueOptions queue_options(const ChannelConfig& config, const Channel& channel) {
  QueueOptions options;
  options.least = severity_of(config.severity).value_or(Severity::kInfo);
  options.limit = config.queue;
  options.group_wait = config.group_wait;
  options.repeat_interval = config.repeat_interval;
  options.give_up_after = config.give_up_after;
  options.keep_labels = channel.knows_by_labels();
  return options;
}

Result<std::string> token_of(const ChannelConfig& config) {
  if (config.bearer_token_file.empty()) return std::string();
  return read_secret(config.bearer_token_file);
}

}  // namespace

std::vector<WantedChannel> with_secrets(const std::vector<ChannelConfig>& channels) {
  std::vector<WantedChannel> wanted;
  wanted.reserve(channels.size());
  for (const ChannelConfig& config : channels) wanted.push_back({config, token_of(config)});
  return wanted;
}

void AlertChannels::start(const WantedChannel& wanted, const GoingOn& going_on) {
  const auto& [config, token] = wanted;
  const auto leave_out = [&](const Error& error) {
    spdlog::error("the alert channel {} is left out: {}", wanted.config.name, error.message);
  };
  if (!token) return leave_out(token.error());
  Result<std::unique_ptr<Channel>> channel = make_channel(channel_options(config, *token));
  if (!channel) return leave_out(channel.error());
  const QueueOptions queue = queue_options(config, **channel);
  std::string kept;
  if (store_ != nullptr) {
    const auto state = store_->get_state(key_of(config.name));
    if (!state) spdlog::error("what waited for the alert channel {} is lost: {}", config.name, state.error().message);
    if (state && *state) kept = **state;
  }
  Result<std::unique_ptr<ChannelThread>> thread =
      ChannelThread::start(config.name, std::move(*channel), queue, kept, &going_on);
  if (!thread) return leave_out(thread.error());
  running_.push_back({config, *token, std::move(*thread)});
}

void AlertChannels::change(Running& running, const WantedChannel& wanted) {
  const auto& [config, token] = wanted;
  const auto leave = [&](const Error& error) {
    spdlog::error("the alert channel {} stays as it was: {}", wanted.config.name, error.message);
  };
  if (!token) return leave(token.error());
  if (running.config == config && running.token == *token) return;
  Result<std::unique_ptr<Channel>> channel = make_channel(channel_options(config, *token));
  if (!channel) return leave(channel.error());
  const QueueOptions queue = queue_options(config, **channel);
  running.thread->become(std::move(*channel), queue);
  running.config = config;
  running.token = *token;
}

// Those from `first` on have no place in the configuration any more.
void AlertChannels::retire(std::vector<Running>::iterator first) {
  std::vector<std::shared_future<void>> ends;
  for (auto gone = first; gone != running_.end(); ++gone) {
    ends.push_back(
        do_aside([thread = gone->thread.get()] { thread->stop(ChannelThread::Clock::now() + kRetireTime); }));
  }
  for (const auto& end : ends) end.wait();
  for (auto gone = first; gone != running_.end(); ++gone) {
    const ChannelCounters left = gone->thread->counters();
    if (left.queued > 0) {
      spdlog::warn("the alert channel {} is no more; {} notices that waited for it are lost", left.name, left.queued);
    }
    if (store_ != nullptr) store_->put_state(key_of(left.name), "");
  }
  running_.erase(first, running_.end());
}

void AlertChannels::configure(const std::vector<WantedChannel>& wanted, const GoingOn& going_on) {
  const auto is_wanted = [&](const Running& running) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const WantedChannel& channel) { return channel.config.name == running.config.name; });
  };
  retire(std::stable_partition(running_.begin(), running_.end(), is_wanted));
  for (const WantedChannel& channel : wanted) {
    const auto runs = std::find_if(running_.begin(), running_.end(),
                                   [&](const Running& running) { return running.config.name == channel.config.name; });
    if (runs == running_.end()) {
      start(channel, going_on);
    } else {
      change(*runs, channel);
    }
  }
}

void AlertChannels::add(const Notice& notice) {
  for (const Running& running : running_) running.thread->add(notice);
}

void AlertChannels::hold(const std::set<std::string>& ids) {
  for (const Running& running : running_) running.thread->hold(ids);
}

std::vector<ChannelCounters> AlertChannels::counters() const {
  std::vector<ChannelCounters> all;
  all.reserve(running_.size());
  for (const Running& running : running_) all.push_back(running.thread->counters());
  return all;
}

void AlertChannels::add_state(std::map<std::string, std::string>& states) const {
  for (const Running& running : running_) states[key_of(running.config.name)] = running.thread->serialise();
}

void AlertChannels::stop(ChannelThread::Clock::time_point deadline) {
  std::vector<std::shared_future<void>> ends;
  ends.reserve(running_.size());
  for (const Running& running : running_) {
    ends.push_back(do_aside([thread = running.thread.get(), deadline] { thread->stop(deadline); }));
  }
  for (const auto& end : ends) end.wait();
}

}  // namespace outrider
