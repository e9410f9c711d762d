// All rules on one target. Only what is pending or firing takes memory: an alert that is not has nothing to remember.
// Not thread-safe. Times are Unix milliseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/alerts/alert.h"
#include "userspace/alerts/rule_plan.h"
#include "userspace/model/notice.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// An alert that is pending or fires.
struct LiveAlert {
  std::string type;  ///< query type; empty: the target as a whole
  Alert alert;
  std::string id;               ///< of the incident; empty until it fires
  std::optional<double> value;  ///< the newest
  std::int64_t seen_ms = 0;     ///< when its type was last there
  std::uint32_t type_index = 0;
};

class TargetAlerts {
 public:
  static constexpr std::size_t kMostAlerts = 100;  ///< of a rule at a time

  TargetAlerts(std::string target, std::shared_ptr<const RulePlan> plan);

  /// An interval in which no probe was attached (a duty cycle, the overhead budget) says nothing of what probes count:
  /// no clock of such a figure begins or ends by it, unless there are more of them than Alert::kLongestGapMs. What
  /// comes from /proc is judged in any interval. `host`: this is the target whose snapshots speak for the host; with
  /// several, one fault of the host is one alert.
  void observe(const Snapshot& snapshot, bool host, std::vector<Notice>& notices);

  /// Every alert is over, because of `why`.
  void end(std::int64_t now_ms, const std::string& why, std::vector<Notice>& notices);
  /// Those of the host are.
  void end_host(std::int64_t now_ms, const std::string& why, std::vector<Notice>& notices);

  /// Takes an alert over; false if no rule of that id and definition is for this target.
  bool adopt(const Rule& rule, LiveAlert& live);
  /// The same without a look at the definition: after a restart the rule may have been changed.
  bool adopt(const std::string& rule_id, LiveAlert& live);

  /// In the order of the rules: f(const Rule&, LiveAlert&).
  template <typename Visit>
  void each(const Visit& visit) {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      for (LiveAlert& live : live_[i]) visit(plan_->rules[rules_[i]], live);
    }
  }
  template <typename Visit>
  void each(const Visit& visit) const {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      for (const LiveAlert& live : live_[i]) visit(plan_->rules[rules_[i]], live);
    }
  }

  /// Breaches that were not followed, one an interval each: their rule had kMostAlerts already.
  [[nodiscard]] std::uint64_t untracked() const { return untracked_; }

 private:
  static constexpr std::uint32_t kNoType = UINT32_MAX;

  void take_types(const Snapshot& snapshot);
  void take_figures(const Snapshot& snapshot);
  void follow(std::size_t index, const Snapshot& snapshot, std::vector<Notice>& notices);
  void find_breaches(std::size_t index, const Snapshot& snapshot, std::vector<Notice>& notices);
  void begin(std::size_t index, std::uint32_t type, const Snapshot& snapshot, std::vector<Notice>& notices);
  void judge(const Rule& rule, const RulePlan::Step& step, LiveAlert& live, const Snapshot& snapshot,
             std::vector<Notice>& notices) const;
  [[nodiscard]] const Rule& rule_at(std::size_t index) const { return plan_->rules[rules_[index]]; }

  std::string target_;
  std::shared_ptr<const RulePlan> plan_;
  std::vector<std::uint32_t> rules_;          ///< those that are for this target
  std::vector<std::vector<LiveAlert>> live_;  ///< of `rules_`, in their order

  // Of the interval that is judged; a figure that cannot be had is NaN, which no comparison finds beyond anything.
  std::vector<std::string> types_;                    ///< sorted
  std::vector<std::vector<std::uint32_t>> selected_;  ///< types by the plan's selection
  std::vector<double> whole_;
  std::vector<std::vector<double>> columns_;  ///< by type, of each of the plan's type fields
  std::vector<std::uint64_t> queries_;        ///< by type
  std::uint64_t untracked_ = 0;
};

/// What is said when an alert that fires ends without a figure that would say so; nothing if it does not fire.
void end_alert(const Rule& rule, const std::string& target, LiveAlert& live, std::int64_t now_ms,
               const std::string& why, std::vector<Notice>& notices);

}  // namespace outrider
