// What `outrider replay` does besides reading a CSV file for detectors: scores of one column, and the agent's own
// history in place of a file. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "userspace/base/result.h"
#include "userspace/store/store_reader.h"

namespace outrider {

/// Prints a score of each row of `column`, "timestamp,score" with a header, or a JSON object a line. Returns the
/// process's exit code, with what is wrong on standard error.
int replay_scores(const std::string& csv, const std::string& column, bool json);

struct ReplayWindow {
  std::string from, to;  ///< as parse_moment() reads them; `to` may be empty: now
  std::string store, config, target;
};

struct ReplayedHistory {
  std::int64_t step_ms = 0;  ///< length of each sample
  std::size_t samples = 0;
};

/// A window of one target's history.
class HistoryReplay {
 public:
  /// Errors: the window is none (code EINVAL), there is no such history.
  static Result<HistoryReplay> open(const ReplayWindow& window);

  [[nodiscard]] const std::string& target() const { return target_; }
  /// Hands each step to `visit`, with what detectors look at and the figures `more`, by their names in a snapshot.
  Result<ReplayedHistory> for_each_step(const std::set<std::string>& more, const VisitStep& visit);

 private:
  HistoryReplay(StoreReader reader, std::string target, std::int64_t from_ms, std::int64_t to_ms)
      : reader_(std::move(reader)), target_(std::move(target)), from_ms_(from_ms), to_ms_(to_ms) {}

  StoreReader reader_;
  std::string target_;
  std::int64_t from_ms_, to_ms_;
};

}  // namespace outrider
