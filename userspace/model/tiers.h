// How finely and for how long history is kept: the rule that both the configuration and the store hold to. Plain data
// and a pure function, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace outrider {

/// Points of `step_ms` each, kept for `keep_ms`.
struct Tier {
  std::int64_t step_ms = 0;
  std::int64_t keep_ms = 0;
};

/// "found ..., expected ..." for the first thing that is wrong; none if all is well. Finest first: each step is a
/// multiple of the one before, nothing is kept shorter than what is finer, and even the finest long enough that the
/// coarsest can be made of it.
std::optional<std::string> tiers_fault(const std::vector<Tier>& tiers);

}  // namespace outrider
