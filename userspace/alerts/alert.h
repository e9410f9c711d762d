// A rule on one target, from one interval to the next: inactive, pending, firing, and inactive again. Not thread-safe.
// Times are Unix milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/model/rule.h"

namespace outrider {

/// What a rule sees of one interval.
struct RuleObservation {
  std::int64_t now_ms = 0;
  std::optional<double> value;  ///< none: the figure cannot be had
  std::uint64_t queries = 0;    ///< in the interval
  std::int64_t interval_ms = 0;
};

struct AlertEvent {
  enum class What { kFiring, kResolved };
  What what = What::kFiring;
  std::string rule;  ///< its name
  std::int64_t at_ms = 0;
  std::int64_t since_ms = 0;  ///< when the breach began
  double value = 0;           ///< the last one that was in breach; 0 where the breach is that there is none
  double threshold = 0;
};

class Alert {
 public:
  enum class State { kInactive, kPending, kFiring };

  /// An interruption that is longer, and longer than two intervals, has hidden what the figure did: a clock of `for`
  /// does not run through it.
  static constexpr std::int64_t kLongestGapMs = 60'000;

  /// A breach that has lasted for `rule.hold` without a pause fires; one second within bounds, or without the figure,
  /// and the clock begins anew. An alert that fires is over when the figure has been beyond the `clear` threshold for
  /// `rule.clear_for`; without the figure it goes on, for nothing says that it is over. Of an `absent` rule the breach
  /// is that there is no figure, and one ends it. `rule` is the same each time.
  std::optional<AlertEvent> observe(const Rule& rule, const RuleObservation& seen);

  /// The target is not watched any more, and nobody will ever say that it is over.
  std::optional<AlertEvent> end(const Rule& rule, std::int64_t now_ms);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::int64_t since_ms() const { return since_ms_; }

  /// All that a restarted agent needs, as one line of JSON.
  [[nodiscard]] std::string serialise() const;
  /// Error: not what serialise() gives; the alert stays as it is.
  Status restore(std::string_view text);

 private:
  std::optional<AlertEvent> observe_firing(const Rule& rule, const RuleObservation& seen);
  std::optional<AlertEvent> observe_quiet(const Rule& rule, const RuleObservation& seen);
  std::optional<AlertEvent> resolve(const Rule& rule, std::int64_t now_ms);
  void follow_clock(std::int64_t now_ms);

  State state_ = State::kInactive;
  std::int64_t since_ms_ = 0;                   ///< begin of the breach
  std::optional<std::int64_t> clear_since_ms_;  ///< firing, and within bounds since
  std::optional<std::int64_t> last_ms_;
  double value_ = 0;
};

}  // namespace outrider
