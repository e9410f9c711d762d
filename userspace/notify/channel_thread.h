// An alert channel at work: its queue, and the thread that hands on what the queue has. A channel that fails or hangs
// delays nobody but itself. Delivery is at least once: a notice leaves the queue when the channel has accepted it, and
// its `id` with its event tells a receiver that it has seen it before.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/agent_figures.h"
#include "userspace/notify/channel.h"
#include "userspace/notify/channel_queue.h"

namespace outrider {

/// Incidents that people were told of, as they were last told, and the ids of those that are not to be said again.
struct GoingOn {
  std::vector<Notice> notices;
  std::set<std::string> held;
};

/// Thread-safe, but stop() is for one thread.
class ChannelThread {
 public:
  using Clock = ChannelQueue::Clock;
  static constexpr std::size_t kMostKeptBytes = 4U << 20U;

  /// `name` is what logs and counters call it. `kept` is what serialise() gave in an earlier life, or empty; what of it
  /// cannot be read is said and lost. `going_on`: what it has to know by now, see ChannelQueue::catch_up(); null: just
  /// what was kept. Errors: no thread to be had.
  static Result<std::unique_ptr<ChannelThread>> start(std::string name, std::unique_ptr<Channel> channel,
                                                      QueueOptions options, const std::string& kept = "",
                                                      const GoingOn* going_on = nullptr);

  /// stop() with a second's time.
  ~ChannelThread();
  ChannelThread(const ChannelThread&) = delete;
  ChannelThread& operator=(const ChannelThread&) = delete;

  /// Queues a notice and returns at once; what is lost for it is counted.
  void add(Notice notice);
  /// Incidents with these ids are not said again, until another set says otherwise.
  void hold(std::set<std::string> ids);
  /// The next attempt is with `channel` and `options`, and comes at once; returns at once.
  void become(std::unique_ptr<Channel> channel, QueueOptions options);
  /// Hands on what is queued, as far as that works at the first attempt, and returns by `deadline`. A channel that
  /// hangs even then is left behind with its thread. What stays queued is there for serialise().
  void stop(Clock::time_point deadline);

  /// What waits and what goes on, to be given to start() in the agent's next life; at most kMostKeptBytes, of which the
  /// oldest notices go first.
  [[nodiscard]] std::string serialise() const;
  [[nodiscard]] ChannelCounters counters() const;

 private:
  struct State;
  ChannelThread(std::shared_ptr<State> state, std::thread thread)
      : state_(std::move(state)), thread_(std::move(thread)) {}

  std::shared_ptr<State> state_;  // shared with the thread, which may outlive this object
  std::thread thread_;            // not joinable: stopped
};

}  // namespace outrider
