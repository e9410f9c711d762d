// `outrider slow`: attaches to one target as `watch` does and collects its slowest queries for a while. Runs on the
// caller's thread. Needs the privileges of BpfSession.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "userspace/agent/watch.h"
#include "userspace/model/single_query.h"

namespace outrider {

struct SlowOptions {
  WatchTarget target;
  bool use_uprobe_multi = true;
  std::string type;  ///< empty: all
  std::size_t most = 10;
  std::chrono::milliseconds duration{10'000};
};

struct SlowReport {
  std::string target;
  std::uint64_t queries = 0;             ///< that ended, of all types
  std::vector<std::string> types_seen;   ///< asked for or not
  std::vector<SlowQuery> slow;           ///< the slowest first
  std::vector<InFlightQuery> in_flight;  ///< at the end, the oldest first
};

/// Called every second.
using SlowProgress = std::function<void(const SlowReport&, std::chrono::milliseconds elapsed)>;

/// Returns when the duration is over, the user wants to stop, or the target is gone; the probes are detached then.
Result<SlowReport> record_slow(const SlowOptions& options, const SlowProgress& progress, const WaitUntil& wait);

}  // namespace outrider
