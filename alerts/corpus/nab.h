// The score of the Numenta Anomaly Benchmark, after its published definition (Lavin and Ahmad, "Evaluating Real-time
// Anomaly Detection Algorithms", 2015, and the benchmark's documentation). Pure functions over plain data, thread-safe.
//
// Rows whose score reaches the threshold are detections. The earliest one in a labelled window earns up to 1, by a
// sigmoid that falls to 0 at the window's end; a window without one costs 1. Each detection outside costs up to 0.11:
// little just behind a window, all of it three window lengths on. The first 15 % of the rows, at most 750, are not
// scored. The sum is scaled so that a detector that says nothing has 0 and one that is always first has 100.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

/// Rows, both inclusive.
struct NabWindow {
  std::size_t first = 0, last = 0;
};

struct NabSeries {
  std::vector<double> scores;      ///< a row each, 0..1
  std::vector<NabWindow> windows;  ///< ascending, apart
};

/// What a hit, a false alarm and a miss weigh.
struct NabProfile {
  double hit = 1, false_alarm = 0.11, miss = 1;
};

inline constexpr NabProfile kNabStandard{};

struct NabScore {
  double threshold = 0;
  double score = 0;  ///< 0: as good as silence; 100: perfect
  std::size_t windows = 0, found = 0;
  std::size_t false_rows = 0;  ///< detections outside of windows
};

/// Rows at the begin of a series of `rows` that are not scored.
std::size_t nab_probation(std::size_t rows);

/// What a detection earns at `position`: -1 is the begin of a window, 0 its end, and 1 a window's length behind it.
double nab_sigmoid(double position);

/// Of all series together. There has to be a window in one of them.
NabScore nab_score(const std::vector<NabSeries>& all, double threshold, const NabProfile& profile = kNabStandard);

/// The score at that one threshold, the same for all series, which is best: how the benchmark itself compares
/// detectors.
NabScore nab_best(const std::vector<NabSeries>& all, const NabProfile& profile = kNabStandard);

/// The labelled windows of each file, by its path under data/: the text of combined_windows.json. Error: it is none.
Result<std::map<std::string, std::vector<std::pair<std::string, std::string>>>> parse_nab_windows(
    const std::string& text);

/// Where windows lie in a series with these times ("2014-04-01 00:00:00"). Error: a window begins or ends at no row.
Result<std::vector<NabWindow>> place_nab_windows(const std::vector<std::string>& times,
                                                 const std::vector<std::pair<std::string, std::string>>& windows);

}  // namespace outrider
