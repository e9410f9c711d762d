// What one alert channel has to say: notices that wait, in order, and incidents that go on, which are said again.
// Knows no thread and no clock: it is told what time it is. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/notice.h"

namespace outrider {

struct QueueOptions {
  Severity least = Severity::kInfo;  ///< what is less severe is not for this channel
  /// Notices that wait, and incidents that are said again. Of the former the oldest go first; an incident beyond that
  /// is said once only in a life of the agent.
  std::size_t limit = 10'000;
  std::size_t group_limit = 100;                ///< notices that are handed on at once
  std::chrono::milliseconds group_wait{1'000};  ///< what comes so soon after the first goes with it
  /// What still goes on is said again so long after it was said last; 0: never.
  std::chrono::milliseconds repeat_interval = std::chrono::hours(4);
  std::chrono::milliseconds give_up_after = std::chrono::hours(24);  ///< an older notice is of no use any more
  std::chrono::milliseconds retry_first{1'000};                      ///< the pause after a failure; it doubles
  std::chrono::milliseconds retry_most{15'000};
  bool keep_labels = false;  ///< see Channel::knows_by_labels
};

class ChannelQueue {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  explicit ChannelQueue(QueueOptions options) : options_(options) {}

  void add(Notice notice, Time now);

  /// Incidents with these ids are not said again, until another set says otherwise.
  void hold(std::set<std::string> ids, Time now);

  /// What is to be handed on now; empty: nothing yet. One of accepted(), refused() and failed() must follow. Until then
  /// nothing of it leaves the queue.
  [[nodiscard]] std::vector<Notice> take(Time now);
  /// Returns how many notices that were.
  std::size_t accepted(Time now);
  /// The notice is lost. Those of a group are handed on one by one instead, to lose no good ones with the bad one.
  /// Returns how many are lost.
  std::size_t refused(Time now);
  /// The group stays; `chance` (0..1) is for the length of the pause.
  void failed(Time now, double chance);

  /// When take() may have something; none: not before the next add().
  [[nodiscard]] std::optional<Time> due() const;

  /// From now on, without a pause that may be running.
  void set_options(QueueOptions options);
  /// No more waiting for company, pauses or repetition: what waits is to go at once.
  void hurry();

  [[nodiscard]] std::size_t size() const { return queue_.size(); }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

  /// All that must survive the agent, as JSON of at most `most_bytes`: the newest notices that fit, then the incidents.
  [[nodiscard]] std::string serialise(Time now, std::int64_t now_ms, std::size_t most_bytes) const;
  /// What serialise() gave comes before all that was added since; not while something is taken. `now_ms` is of the
  /// system's clock, so that the time that the agent was away counts. Errors: the text is something else; nothing is
  /// then changed.
  Status restore(const std::string& text, Time now, std::int64_t now_ms);
  /// For one that was restored, or is new, and may have been away: what it knows and is not in `going_on` has ended,
  /// and what it does not know is added; what is held is added when it is not any more. One that is resolved there has
  /// an end that will be added.
  void catch_up(const std::vector<Notice>& going_on, Time now, std::int64_t now_ms);

 private:
  struct Waiting {
    Notice notice;
    Time since;
  };
  struct Incident {
    Notice newest;  ///< what is said again
    Time said;      ///< or noticed, if it was not said yet
  };

  [[nodiscard]] bool is_for_us(const Notice& notice) const;
  void follow(Notice& notice, Time now);
  void drop_old(Time now);
  void drop_excess();
  void said(const std::string& id, Time now);
  [[nodiscard]] std::size_t group_limit() const;
  [[nodiscard]] std::vector<Notice> take_queued(Time now);
  [[nodiscard]] std::vector<Notice> take_repeats(Time now);
  [[nodiscard]] Time due_of_queue() const;  ///< which is not empty
  [[nodiscard]] std::optional<Time> repeat_due() const;
  std::size_t remove_taken(Time now);

  QueueOptions options_;
  std::deque<Waiting> queue_;
  std::set<std::string> held_;
  std::map<std::string, Notice> unsaid_;       ///< by id: held when this began
  std::map<std::string, Incident> incidents_;  ///< by id: begun, not over
  std::size_t in_flight_ = 0;                  ///< of the queue's front
  std::vector<std::string> repeats_;           ///< ids in flight
  std::size_t one_by_one_ = 0;                 ///< groups of one that come next: they were refused together
  std::uint64_t dropped_ = 0;
  unsigned failures_ = 0;  ///< in a row
  std::optional<Time> pause_until_;
  bool hurry_ = false;
};

}  // namespace outrider
