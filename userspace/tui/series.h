// The last minutes of every query type, as seen while the view runs. Bounded: what is one series too many is not kept.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/tui/board.h"

namespace outrider {

/// Values of equal steps, old to new; a step in which nobody looked has none.
struct SeriesColumns {
  std::int64_t step_seconds = 1;
  std::vector<std::optional<double>> queries_per_second;  ///< mean of the step
  std::vector<std::optional<double>> p99_seconds;         ///< highest of the step
};

class Series {
 public:
  static constexpr std::int64_t kKeptSeconds = 300;
  static constexpr std::size_t kMostSeries = 4096;  ///< of targets and types; some 40 MB when all are full

  /// Figures that were there before add nothing; older ones begin anew, for the clock was set back.
  void add(const Board& board);

  /// What was before the first figures that were seen here, oldest first.
  void add_past(const TypePast& past);

  /// The last kKeptSeconds up to the newest figure of that target, in at most `columns` steps of whole seconds, none
  /// shorter than an interval. Steps begin at multiples of their length, so that a chart moves on and does not change
  /// its shape.
  [[nodiscard]] SeriesColumns columns(const std::string& target, const std::string& type, std::size_t columns) const;

 private:
  void add(const Snapshot& snapshot);

  std::map<std::pair<std::string, std::string>, std::deque<SeriesPoint>> all_;
  struct Newest {
    std::int64_t time_ms = 0;
    double interval_seconds = 0;
  };

  std::map<std::string, Newest> newest_;  ///< by target
};

}  // namespace outrider
