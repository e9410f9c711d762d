// Whether a figure has changed between two stretches of time by more than its own noise. Pure, thread-safe.
#pragma once

#include <optional>
#include <vector>

namespace outrider {

struct Trend {
  std::optional<double> now, before;  ///< means of the values; none: there were none
  std::optional<double> change;       ///< (now - before) / |before|; none: one is missing, or before is 0
  double z = 0;                       ///< of the rank sum, positive if the values grew; 0 with too few of them
  bool significant = false;           ///< more than noise
};

/// Values each side needs for a verdict: with fewer, |z| cannot reach the bound below.
inline constexpr std::size_t kTrendValues = 8;
/// |z| from which a change is more than noise: 3 is met by chance once in 370 comparisons of values that do not depend
/// on each other. Neighbouring ones do, so the caller hands in means of blocks, not single seconds.
inline constexpr double kTrendZ = 3;
/// A change below this share is never worth a word, whatever its z.
inline constexpr double kTrendChange = 0.05;

/// Rank-sum test of Mann and Whitney (Ann. Math. Statist. 18, 1947) by the normal approximation with ties: it asks
/// nothing of the values' distribution, so a single outlier moves it little. From a baseline of 0, any growth that
/// the test finds counts.
Trend compare(const std::vector<double>& now, const std::vector<double>& before);

}  // namespace outrider
