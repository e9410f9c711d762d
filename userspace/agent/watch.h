// `outrider watch`: reads a Watcher each interval and hands the snapshots on. Runs on the caller's thread. Needs the
// privileges of BpfSession.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "userspace/agent/watcher.h"
#include "userspace/model/snapshot.h"

namespace outrider {

struct WatchOptions {
  std::vector<TargetSpec> targets;
  AttachOptions attach;
  bool use_uprobe_multi = true;
  std::chrono::milliseconds interval{1000};
  std::optional<std::chrono::milliseconds> duration;  ///< none: until stopped
  WatchMode mode = WatchMode::kAuto;
  std::optional<double> max_overhead_percent = 3;  ///< none: never shed
  bool statements = true;                          ///< as in WatchTarget
};

/// Called with the snapshots of all targets, each interval and once with the summaries.
using SnapshotSink = std::function<void(const std::vector<Snapshot>&)>;
/// Sleeps until the deadline or until the user wants to stop; true: stop.
using WaitUntil = std::function<bool(std::chrono::steady_clock::time_point)>;

/// Returns when the duration is over, the user wants to stop, or every target is gone for good; the probes are
/// detached and the summaries were handed on by then.
Status run_watch(const WatchOptions& options, const SnapshotSink& sink, const WaitUntil& wait);

}  // namespace outrider
