// Rules judged over recorded figures, for `outrider replay --rules`. Not thread-safe.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/alerts/rule_book.h"
#include "userspace/detect/csv_samples.h"
#include "userspace/model/point.h"

namespace outrider {

/// A rule that what is recorded cannot judge is left out: it would be told as fine, or (an `absent` one) as in breach,
/// and nothing was seen that says so.
class RuleReplay {
 public:
  /// Over the rows of a file, which are of no target that has a name.
  explicit RuleReplay(std::vector<Rule> rules);
  /// Over the history of `target`.
  RuleReplay(std::vector<Rule> rules, std::string target);

  /// What the row makes of the rules, put behind what is in `notices`. A rule is judged from the first row on that has
  /// its figure.
  void observe(const RecordedRow& row, std::vector<Notice>& notices);
  /// The same of a step of history, which has the figures that figures() names.
  void observe(const Point& step, std::vector<Notice>& notices);

  /// What is read of history: the figures that rules are judged by.
  [[nodiscard]] const std::set<std::string>& figures() const { return figures_; }
  /// "RULE: REASON" of those that were left out, in the order of the rules. Of a file, once all of its rows were seen.
  [[nodiscard]] std::vector<std::string> not_judged() const;

 private:
  struct Entry {
    Rule rule;
    std::string obstacle;  ///< why it is not judged; empty: it is
    bool awaited = false;  ///< until a row has its figure
  };

  void add(std::vector<Rule> rules, bool of_history);
  void set_rules(std::int64_t now_ms, std::vector<Notice>& notices);

  RuleBook book_;
  std::string target_;
  std::vector<Entry> entries_;
  std::set<std::string> figures_;
  std::optional<std::int64_t> last_ms_;
};

/// "open" or "close".
const char* event_name(const Notice& notice);

/// One line of the output; `at` is the row's timestamp as the file has it.
nlohmann::ordered_json to_json(const Notice& notice, const std::string& at);

}  // namespace outrider
