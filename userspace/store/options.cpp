#include "userspace/store/options.h"

#include <fmt/format.h>

namespace outrider {
namespace {

// Below this the write-ahead log alone could be more.
constexpr std::int64_t kSmallestCap = 16 << 20;

}  // namespace

Status check_options(const StoreOptions& options) {
  if (options.path.empty()) return Error{"the store needs a file; set its path"};
  if (options.tiers.empty()) return Error{"the store needs at least one tier, such as 1 s kept for 1 h"};
  for (std::size_t i = 0; i < options.tiers.size(); ++i) {
    const Tier& tier = options.tiers[i];
    if (tier.step_ms <= 0) return Error{fmt::format("tier {} of the store has no step; give one above 0", i + 1)};
    const std::int64_t least = 2 * options.tiers.back().step_ms;
    if (tier.keep_ms < least) {
      return Error{
          fmt::format("tier {} of the store is kept for {} ms, less than two of the coarsest steps; keep it for "
                      "{} ms at least, so that it can be rolled up",
                      i + 1, tier.keep_ms, least)};
    }
    if (i == 0) continue;
    const Tier& finer = options.tiers[i - 1];
    if (tier.step_ms <= finer.step_ms || tier.step_ms % finer.step_ms != 0) {
      return Error{fmt::format("the step of tier {} of the store, {} ms, is no multiple of the one before, {} ms",
                               i + 1, tier.step_ms, finer.step_ms)};
    }
    if (tier.keep_ms < finer.keep_ms) {
      return Error{
          fmt::format("tier {} of the store is kept shorter than the finer one before; keep it for {} ms or more",
                      i + 1, finer.keep_ms)};
    }
  }
  if (options.max_bytes < kSmallestCap) {
    return Error{
        fmt::format("the store may not be limited to less than {} bytes; it was {}", kSmallestCap, options.max_bytes)};
  }
  if (options.max_queued_points == 0) return Error{"the store's queue needs room for one point at least"};
  return Ok{};
}

}  // namespace outrider
