#include "userspace/notify/channel_thread.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "userspace/base/background_thread.h"
#include "userspace/base/fault_notice.h"
#include "userspace/base/moment.h"

namespace outrider {
namespace {

using Clock = ChannelThread::Clock;

constexpr std::chrono::seconds kDefaultStopTime{1};

// An exception in a thread would end the agent.
Delivery guarded(Channel& channel, const std::vector<Notice>& group, const Channel::GiveUp& give_up) {
  try {
    return channel.deliver(group, give_up);
  } catch (const std::exception& error) {
    return {Delivery::Fate::kRetry, std::string("unexpected: ") + error.what()};
  }
}

}  // namespace

/// Guarded by `mutex`, but for `channel` and `random`, which are the thread's own, and counters.name, which never
/// changes.
struct ChannelThread::State {
  State(std::string channel_name, std::unique_ptr<Channel> owned, QueueOptions options)
      : channel(std::move(owned)), queue(options) {
    counters.name = std::move(channel_name);
  }

  std::unique_ptr<Channel> channel;
  std::mt19937 random{std::random_device{}()};
  std::mutex mutex;
  std::condition_variable changed;
  ChannelQueue queue;
  std::unique_ptr<Channel> fresh;  // for the next attempt; null: nothing has changed
  ChannelCounters counters;
  FaultNotice notice;
  std::atomic<Clock::rep> deadline{Clock::time_point::max().time_since_epoch().count()};
  bool stopping = false;
  bool done = false;
  bool abandoned = false;  // nobody waits for the thread any more; the log may be gone

  [[nodiscard]] bool time_is_up() const { return Clock::now().time_since_epoch().count() >= deadline; }

  /// The next group, or none: it is time to end.
  std::vector<Notice> take() {
    std::unique_lock lock(mutex);
    while (!time_is_up()) {
      std::vector<Notice> group = queue.take(Clock::now());
      if (!group.empty()) {
        if (fresh) channel = std::move(fresh);
        return group;
      }
      if (stopping) break;
      const auto due = queue.due();
      if (due) {
        changed.wait_until(lock, *due);
      } else {
        changed.wait(lock);
      }
    }
    return {};
  }

  /// False: it is time to end.
  bool note(const Delivery& delivery) {
    using Fate = Delivery::Fate;
    const double chance = std::uniform_real_distribution<double>()(random);
    std::unique_lock lock(mutex);
    const auto now = Clock::now();
    std::size_t lost = 0;
    if (delivery.fate == Fate::kDelivered) counters.sent += queue.accepted(now);
    if (delivery.fate == Fate::kRefused) lost = queue.refused(now);
    if (delivery.fate == Fate::kRetry) queue.failed(now, chance);
    const bool failed = delivery.fate != Fate::kDelivered;
    if (failed) {
      ++counters.failed;
      counters.last_error = delivery.reason;
    }
    counters.failing = failed;
    const auto say = abandoned ? FaultNotice::Say::kNothing : notice.observe(failed, now);
    const bool say_lost = lost > 0 && !abandoned;
    const bool go_on = !stopping || delivery.fate != Fate::kRetry;
    lock.unlock();  // the log may be slow, and add() must not wait for it
    // What is lost is said each time.
    if (say_lost) {
      spdlog::error("the alert channel {} refuses a notice, which is lost: {}", counters.name, delivery.reason);
    } else if (say == FaultNotice::Say::kBegan) {
      spdlog::error("the alert channel {} fails, its notices wait: {}", counters.name, delivery.reason);
    }
    if (say == FaultNotice::Say::kEnded) spdlog::info("the alert channel {} works again", counters.name);
    return go_on;
  }

  void run() {
    const Channel::GiveUp give_up = [this] { return time_is_up(); };
    for (auto group = take(); !group.empty(); group = take()) {
      if (!note(guarded(*channel, group, give_up))) break;
    }
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
  }
};

Result<std::unique_ptr<ChannelThread>> ChannelThread::start(std::string name, std::unique_ptr<Channel> channel,
                                                            QueueOptions options, const std::string& kept,
                                                            const GoingOn* going_on) {
  options.keep_labels = channel->knows_by_labels();
  auto state = std::make_shared<State>(std::move(name), std::move(channel), options);
  if (!kept.empty()) {
    const Status restored = state->queue.restore(kept, Clock::now(), unix_ms());
    if (!restored) spdlog::error("the alert channel {}: {}", state->counters.name, restored.error().message);
  }
  if (going_on != nullptr) {
    state->queue.hold(going_on->held, Clock::now());
    state->queue.catch_up(going_on->notices, Clock::now(), unix_ms());
  }
  Result<std::thread> thread = start_background_thread("outrider-alert", Privileges::kNone, [state] { state->run(); });
  if (!thread) {
    return Error{"the alert channel " + state->counters.name + ": " + thread.error().message, thread.error().code};
  }
  return std::unique_ptr<ChannelThread>(new ChannelThread(std::move(state), *std::move(thread)));
}

ChannelThread::~ChannelThread() { stop(Clock::now() + kDefaultStopTime); }

void ChannelThread::add(Notice notice) {
  const std::lock_guard lock(state_->mutex);
  state_->queue.add(std::move(notice), Clock::now());
  state_->changed.notify_all();
}

void ChannelThread::hold(std::set<std::string> ids) {
  const std::lock_guard lock(state_->mutex);
  state_->queue.hold(std::move(ids), Clock::now());
  state_->changed.notify_all();
}

void ChannelThread::become(std::unique_ptr<Channel> channel, QueueOptions options) {
  options.keep_labels = channel->knows_by_labels();
  const std::lock_guard lock(state_->mutex);
  std::swap(state_->fresh, channel);  // the other one goes when the lock is gone
  state_->queue.set_options(options);
  state_->changed.notify_all();
}

void ChannelThread::stop(Clock::time_point deadline) {
  if (!thread_.joinable()) return;
  const auto now = Clock::now();
  // The channel's own deadline lies before ours: it shall have time to come back.
  const auto last_call = now + std::max(deadline - now, Clock::duration::zero()) * 3 / 4;
  state_->deadline = last_call.time_since_epoch().count();
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->queue.hurry();
  state_->changed.notify_all();
  const bool done = state_->changed.wait_until(lock, deadline, [&] { return state_->done; });
  state_->abandoned = !done;
  lock.unlock();
  if (done) {
    thread_.join();
  } else {
    thread_.detach();
    spdlog::warn("the alert channel {} did not end in time and is left behind", state_->counters.name);
  }
}

std::string ChannelThread::serialise() const {
  const std::lock_guard lock(state_->mutex);
  return state_->queue.serialise(Clock::now(), unix_ms(), kMostKeptBytes);
}

ChannelCounters ChannelThread::counters() const {
  const std::lock_guard lock(state_->mutex);
  ChannelCounters counters = state_->counters;
  counters.queued = state_->queue.size();
  counters.dropped = state_->queue.dropped();
  return counters;
}

}  // namespace outrider
