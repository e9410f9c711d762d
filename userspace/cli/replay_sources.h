// What `outrider replay` does besides reading a CSV file for detectors: scores of one column, and the agent's own
// history in place of a file.
#pragma once

#include <functional>
#include <string>

#include "userspace/base/result.h"
#include "userspace/detect/csv_samples.h"

namespace outrider {

/// Prints a score of each row of `column`, "timestamp,score" with a header, or a JSON object a line. Returns the
/// process's exit code, with what is wrong on standard error.
int replay_scores(const std::string& csv, const std::string& column, bool json);

struct ReplayWindow {
  std::string from, to;  ///< as parse_moment() reads them; `to` may be empty: now
  std::string store, config, target;
};

struct ReplayedHistory {
  std::string target;
  std::int64_t step_ms = 0;  ///< length of each sample
  std::size_t samples = 0;
};

/// Hands the steps of that window of history to `visit`. Errors: the window is none
/// (code EINVAL), there is no such history.
Result<ReplayedHistory> read_history_samples(const ReplayWindow& window,
                                             const std::function<void(const RecordedRow& row)>& visit);

}  // namespace outrider
