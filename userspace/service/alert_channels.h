// The alert channels of the configuration, each with a thread and a queue of its own. What waits and what must be said
// again is kept in the store over a restart. Not thread-safe: it belongs to the thread that judges.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "userspace/config/config.h"
#include "userspace/model/agent_figures.h"
#include "userspace/notify/channel_thread.h"
#include "userspace/store/store.h"

namespace outrider {

/// A channel of the configuration with the secret in its file, which is read by the thread that may read those of other
/// users: the one that judges may not.
struct WantedChannel {
  ChannelConfig config;
  Result<std::string> token;  ///< empty: it has none
};
std::vector<WantedChannel> with_secrets(const std::vector<ChannelConfig>& channels);

class AlertChannels {
 public:
  /// `store` is borrowed and may be null: nothing is kept then.
  explicit AlertChannels(Store* store) : store_(store) {}

  /// Starts, changes and stops. A channel that cannot be as it is wanted is said, and left as it was or left out. One
  /// that starts, or was away, is told of what it does not know.
  void configure(const std::vector<WantedChannel>& wanted, const GoingOn& going_on);
  void add(const Notice& notice);
  /// Incidents with these ids are not said again, until another set says otherwise.
  void hold(const std::set<std::string>& ids);
  [[nodiscard]] std::vector<ChannelCounters> counters() const;
  /// Adds what waits, by the store's keys.
  void add_state(std::map<std::string, std::string>& states) const;
  /// Lets every channel hand on what it has, all at once, and returns by `deadline`. What is left is there for
  /// add_state() until the next configure().
  void stop(ChannelThread::Clock::time_point deadline);

 private:
  struct Running {
    ChannelConfig config;
    std::string token;  ///< as it was read from its file
    std::unique_ptr<ChannelThread> thread;
  };

  void start(const WantedChannel& wanted, const GoingOn& going_on);
  void retire(std::vector<Running>::iterator first);
  static void change(Running& running, const WantedChannel& wanted);

  Store* const store_;
  std::vector<Running> running_;
};

}  // namespace outrider
