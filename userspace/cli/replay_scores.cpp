#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "userspace/cli/commands.h"
#include "userspace/cli/replay_sources.h"
#include "userspace/detect/anomaly_score.h"
#include "userspace/detect/csv_samples.h"

namespace outrider {

int replay_scores(const std::string& csv, const std::string& column, bool json) {
  AnomalyScore scorer;
  std::size_t rows = 0;
  const auto visit = [&](const RecordedRow& row) {
    const double score = row.value ? scorer.observe(row.sample.time_ms, *row.value) : 0;
    if (json) {
      fmt::print("{}\n", nlohmann::ordered_json{{"at", row.timestamp}, {"score", score}}.dump());
      return;
    }
    if (rows++ == 0) fmt::print("timestamp,score\n");
    fmt::print("{},{:.6f}\n", row.timestamp, score);
  };
  const Result<CsvSummary> done = read_csv(csv, column, visit);
  if (!done) {
    fmt::print(stderr, "outrider: {}\n", done.error().message);
    return kExitFailure;
  }
  if (done->torn) fmt::print(stderr, "outrider: the last line of {} is not whole and was left out\n", csv);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return EXIT_SUCCESS;
  fmt::print(stderr, "outrider: standard output cannot be written\n");
  return kExitFailure;
}

}  // namespace outrider
