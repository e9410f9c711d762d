// The benchmark's files under our scorer. Used by one thread.
#pragma once

#include <string>
#include <vector>

#include "alerts/corpus/nab.h"

namespace outrider {

/// Each file of the benchmark below `directory` (data/, labels/combined_windows.json) that is there and has a label,
/// with the scores that AnomalyScore gives its rows. Error: there are none, or one cannot be read.
Result<std::vector<NabSeries>> score_nab_files(const std::string& directory);

/// Two lines: the standard profile's score at the best threshold and at `threshold`.
Status print_nab(const std::string& directory, double threshold);

}  // namespace outrider
