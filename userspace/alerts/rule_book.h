// The rules of the agent on all of its targets and their query types: who is told snapshots says which alerts begin and
// end. Not thread-safe. Times are Unix milliseconds, those of the snapshots.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/alerts/rule_target.h"
#include "userspace/base/result.h"
#include "userspace/model/notice.h"
#include "userspace/model/rule.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// An alert that is pending or fires.
struct ActiveAlert {
  std::string id;  ///< of the incident; empty while it is pending
  std::string rule_id, rule;
  Severity severity = Severity::kWarning;
  std::string target, type;  ///< `type` empty: the target as a whole
  std::string metric;
  Alert::State state = Alert::State::kPending;
  std::int64_t since_ms = 0;
  std::optional<double> value;      ///< the newest
  std::optional<double> threshold;  ///< none: the breach is that there is no figure
};

/// Notices are put behind those that are in `notices` already; their labels are the rule's.
class RuleBook {
 public:
  /// Alerts of rules that stay as they are go on; of those that are gone or changed they are over, and say so.
  void set_rules(std::vector<Rule> rules, std::int64_t now_ms, std::vector<Notice>& notices);

  /// One interval of one target; a summary is passed over. `host`: rules on the host's figures that name no target are
  /// judged with this one; of several targets it should be true of one.
  void observe(const Snapshot& snapshot, std::vector<Notice>& notices, bool host = true);

  /// The target is not watched any more: its alerts are over, because of `why` ("the target is gone").
  void end_target(const std::string& target, std::int64_t now_ms, const std::string& why, std::vector<Notice>& notices);

  /// Alerts of rules on the host's figures that name no target end, but for those of `but`.
  void end_host(const std::string& but, std::int64_t now_ms, const std::string& why, std::vector<Notice>& notices);

  [[nodiscard]] std::vector<ActiveAlert> active() const;
  /// Whom it has seen, or was given by restore(), and not been told to end.
  [[nodiscard]] std::vector<std::string> targets() const;
  /// Breaches that were not followed, one an interval each: TargetAlerts::kMostAlerts of their rule were on already.
  [[nodiscard]] std::uint64_t untracked() const;

  /// All that a restarted agent needs to go on where this one was, as one line of JSON.
  [[nodiscard]] std::string serialise() const;
  /// After set_rules(). An alert that fired and whose rule is gone is over, and says so. Error: not what serialise()
  /// gives; whole entries were taken until then.
  Status restore(std::string_view text, std::int64_t now_ms, std::vector<Notice>& notices);

 private:
  [[nodiscard]] bool is_judged_as(const Rule& kept) const;
  TargetAlerts& at(const std::string& target);

  std::shared_ptr<const RulePlan> plan_ = std::make_shared<RulePlan>();
  std::map<std::string, TargetAlerts> targets_;
  std::uint64_t untracked_before_ = 0;  ///< of targets that are gone
};

}  // namespace outrider
