// Between those who find incidents and the channels that tell of them: what is silenced, follows from another incident
// or flaps is held back, and told when the reason is over while it still goes on. Pure: the time is handed in. Not
// thread-safe. Times are Unix milliseconds.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/alerts/silence.h"
#include "userspace/base/result.h"
#include "userspace/model/notice.h"

namespace outrider {

class NoticeGate {
 public:
  /// An incident of one rule or arm, target and type that begins more often than this within an hour flaps: that is
  /// told once, and the next ones, and its end, are held until none has begun for kQuietMs.
  static constexpr std::size_t kMostBegins = 5;
  static constexpr std::int64_t kFlapWindowMs = 3'600'000;
  static constexpr std::int64_t kQuietMs = 15 * 60'000;
  /// Incidents that go on at a time; what begins beyond that is told and not remembered.
  static constexpr std::size_t kMostOpen = 10'000;

  void set_silences(std::vector<Silence> silences) { silences_ = std::move(silences); }

  /// Appends an end to `found` for each incident that is not in `going_on` and of which `found` has no end: whoever
  /// found it is gone, with a target of an earlier configuration or with a state that could not be read.
  void end_orphans(const std::set<std::string>& going_on, std::int64_t now_ms, std::vector<Notice>& found) const;

  /// What is to be told now: of `found`, and of what was held before. To be called each interval, with what there is.
  /// The end of an incident that was never told is not told.
  void pass(const std::vector<Notice>& found, std::int64_t now_ms, std::vector<Notice>& told);

  /// Incidents that were told and whose end was not, as they were last told: what a channel has to know. One whose end
  /// is held is resolved here.
  [[nodiscard]] std::vector<Notice> told() const;
  /// Ids of those of them that are silenced now, and are not to be said again.
  [[nodiscard]] std::set<std::string> silenced(std::int64_t now_ms) const;
  /// Incidents that go on and were not told.
  [[nodiscard]] std::size_t held() const;
  /// Whether this one is one of them.
  [[nodiscard]] bool holds(const std::string& id) const;

  /// All that a restarted agent needs, as one line of JSON. Silences are not part of it.
  [[nodiscard]] std::string serialise() const;
  /// Error: not what serialise() gives; the gate stays as it is.
  Status restore(std::string_view text);

 private:
  struct Open {
    Notice notice;
    bool told = false;
    bool over = false;  ///< `notice` is its end, which is not told while it flaps
  };
  struct Begins {
    std::vector<std::int64_t> times;  ///< of the last hour, at most kMostBegins + 1
    bool flaps = false;               ///< said
  };

  void begin(const Notice& notice, std::int64_t now_ms, std::vector<Notice>& told);
  void go_on(const Notice& notice, std::int64_t now_ms, std::vector<Notice>& told);
  void end(const Notice& notice, std::int64_t now_ms, std::vector<Notice>& told);
  void release(std::int64_t now_ms, std::vector<Notice>& told);
  void tell(Open& open, std::vector<Notice>& told);
  void follow_clock(std::int64_t now_ms);
  [[nodiscard]] bool is_silenced(const Notice& notice, std::int64_t now_ms) const;
  [[nodiscard]] bool flaps(const Notice& notice, std::int64_t now_ms) const;
  [[nodiscard]] bool is_held(const Notice& notice, std::int64_t now_ms) const;
  [[nodiscard]] bool follows_from_another(const Notice& notice) const;

  std::vector<Silence> silences_;
  std::map<std::string, Open> open_;      ///< by the incident's id
  std::map<std::string, Begins> begins_;  ///< by rule or arm, target and type
};

}  // namespace outrider
