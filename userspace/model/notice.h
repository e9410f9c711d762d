// What an alert channel is told: an incident of a rule or of a detector that begins, becomes much worse, or is over.
// Plain data, not thread-safe. Times are Unix milliseconds, figures in the metric's unit.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "userspace/model/rule.h"

namespace outrider {

struct Notice {
  enum class What { kFiring, kWorse, kResolved };
  What what = What::kFiring;
  /// The same from the begin of an incident to its end, across restarts of the agent: a receiver can drop what it has
  /// seen (together with `what`).
  std::string id;
  std::string name;     ///< of the rule, or what the detector found in words: "Latency shift"
  std::string rule_id;  ///< of a rule; empty: a detector's
  std::string arm;      ///< of a detector: "spike", "shift", "errors", ...; empty: a rule's
  Severity severity = Severity::kWarning;
  std::string target;
  std::string type;    ///< query type; empty: the target as a whole
  std::string metric;  ///< by its name in a snapshot
  std::int64_t at_ms = 0;
  std::int64_t since_ms = 0;  ///< when it began, which is earlier than when it was sure
  std::optional<double> value;
  std::optional<double> threshold;            ///< of a rule
  std::optional<double> expected;             ///< of a detector, at this load
  std::optional<double> score;                ///< of a detector, in the arm's own measure
  std::string cause;                          ///< the query type, wait or binary that moved most; empty: not known
  std::string text;                           ///< one sentence that explains it
  std::string annotation;                     ///< what to do; may be empty
  std::map<std::string, std::string> labels;  ///< the target's and the rule's

  [[nodiscard]] std::optional<double> effect_percent() const {  ///< none where nothing was expected
    if (!value || !expected || *expected == 0) return std::nullopt;
    return (*value / *expected - 1) * 100;
  }
};

}  // namespace outrider
