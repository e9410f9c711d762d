#include "userspace/model/tiers.h"

#include <fmt/format.h>

#include <chrono>

#include "userspace/base/units.h"

namespace outrider {
namespace {

std::string shown(std::int64_t ms) { return format_duration(std::chrono::milliseconds(ms)); }

std::optional<std::string> step_fault(const Tier& finer, const Tier& tier) {
  if (tier.step_ms <= finer.step_ms || tier.step_ms % finer.step_ms != 0) {
    return fmt::format("found a step of {} after {}, expected a larger multiple of it", shown(tier.step_ms),
                       shown(finer.step_ms));
  }
  if (tier.keep_ms < finer.keep_ms) {
    return fmt::format("found a tier that keeps {} after one that keeps {}, expected no less", shown(tier.keep_ms),
                       shown(finer.keep_ms));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> tiers_fault(const std::vector<Tier>& tiers) {
  if (tiers.empty()) return "found no tier, expected at least one";
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    if (tiers[i].step_ms <= 0) return "found a tier without a step, expected one above 0";
    if (i == 0) continue;
    if (auto fault = step_fault(tiers[i - 1], tiers[i])) return fault;
  }
  // The first keeps least.
  const std::int64_t least = 2 * tiers.back().step_ms;
  if (tiers.front().keep_ms >= least) return std::nullopt;
  return fmt::format(
      "found a tier that keeps {}, expected {} at least: two of the coarsest steps, which are made of it",
      shown(tiers.front().keep_ms), shown(least));
}

}  // namespace outrider
