#include "userspace/store/options.h"

#include <fmt/format.h>

namespace outrider {
namespace {

// Below this the write-ahead log alone could be more.
constexpr std::int64_t kSmallestCap = 16 << 20;

}  // namespace

Status check_options(const StoreOptions& options) {
  if (options.path.empty()) return Error{"the store needs a file; set its path"};
  if (const auto fault = tiers_fault(options.tiers)) return Error{"the store's tiers: " + *fault};
  if (options.max_bytes < kSmallestCap) {
    return Error{
        fmt::format("the store may not be limited to less than {} bytes; it was {}", kSmallestCap, options.max_bytes)};
  }
  if (options.max_queued_points == 0) return Error{"the store's queue needs room for one point at least"};
  return Ok{};
}

}  // namespace outrider
