// Rules judged over recorded rows, for `outrider replay --rules`. Not thread-safe.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "userspace/alerts/rule_book.h"
#include "userspace/detect/csv_samples.h"

namespace outrider {

class RuleReplay {
 public:
  explicit RuleReplay(std::vector<Rule> rules);

  /// What the row makes of the rules, put behind what is in `notices`.
  void observe(const RecordedRow& row, std::vector<Notice>& notices);

 private:
  RuleBook book_;
  std::optional<std::int64_t> last_ms_;
};

/// "open" or "close".
const char* event_name(const Notice& notice);

/// One line of the output; `at` is the row's timestamp as the file has it.
nlohmann::ordered_json to_json(const Notice& notice, const std::string& at);

}  // namespace outrider
