// How much history is kept, and how finely. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/tiers.h"

namespace outrider {

struct StoreOptions {
  std::string path;
  /// Finest first; tiers_fault() says what may not be.
  std::vector<Tier> tiers = {{1'000, 3'600'000}, {10'000, 86'400'000}, {60'000, 2'592'000'000}};
  std::int64_t max_bytes = 2LL << 30;  ///< database and write-ahead log together
  std::size_t max_queued_points = 512;
  int write_interval_ms = 1'000;
  int longest_read_ms = 10'000;  ///< of a question to Store; those who ask over HTTP are not answered any more then
  int busy_timeout_ms = 500;     ///< of a write, when another process holds the lock
  /// Unix milliseconds; empty: the system's clock. Called by the store's thread.
  std::function<std::int64_t()> now_ms;
  /// Milliseconds of a clock that nobody sets. Empty: `now_ms` if that is given, else the system's time since boot.
  std::function<std::int64_t()> steady_ms;
};

/// One sentence if the tiers or limits contradict each other.
Status check_options(const StoreOptions& options);

}  // namespace outrider
