// `outrider flame`: attaches to one target as `watch` does and records a flame graph for a while. Runs on the caller's
// thread. Needs the privileges of BpfSession.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "userspace/agent/flame_recorder.h"
#include "userspace/agent/watch.h"

namespace outrider {

struct FlameOptions {
  TargetSpec target;
  AttachOptions attach;
  bool use_uprobe_multi = true;
  FlameRequest request;
  std::chrono::milliseconds duration{10'000};
};

/// What was recorded.
struct FlameReport {
  FlameGraph graph;
  std::vector<std::string> types_seen;                ///< asked for or not
  std::map<std::string, std::uint64_t> wait_classes;  ///< nanoseconds
};

/// Called every second with what there is so far.
using FlameProgress = std::function<void(const FlameGraph&, std::chrono::milliseconds elapsed)>;

/// Returns when the duration is over, the user wants to stop, or the target is gone; the probes are detached then.
Result<FlameReport> record_flame(const FlameOptions& options, const FlameProgress& progress, const WaitUntil& wait);

}  // namespace outrider
