// Alert channels: ways to tell somebody of incidents. Each runs in a ChannelThread of its own (channel_thread.h), which
// queues, groups and tries again; a channel itself only hands a group on, once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "userspace/model/notice.h"

namespace outrider {

/// How one attempt ended.
struct Delivery {
  enum class Fate {
    kDelivered,
    kRetry,    ///< may work later as it is
    kRefused,  ///< would be refused again: the notices are lost
  };
  Fate fate = Fate::kDelivered;
  std::string reason;  ///< unless accepted: one sentence, fit for a line of the log
};

/// Not thread-safe: one thread calls it.
class Channel {
 public:
  /// Asked a few times a second; true ends the attempt.
  using GiveUp = std::function<bool()>;

  Channel() = default;
  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Hands on all of `group` (not empty, in the order in which things happened) or says why not. May take as long as
  /// its own timeout, but comes back soon after `give_up` says so.
  virtual Delivery deliver(const std::vector<Notice>& group, const GiveUp& give_up) = 0;
  /// Whether name, severity and labels of an incident must stay what they were when it began: the receiver knows it by
  /// them and not by its id.
  [[nodiscard]] virtual bool knows_by_labels() const { return false; }
};

}  // namespace outrider
