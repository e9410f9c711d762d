#include "userspace/agent/flame.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "userspace/base/units.h"

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kRound{1};

Result<std::unique_ptr<Watcher>> attach(const FlameOptions& options, std::uint32_t& target) {
  const Features features = probe_features();
  if (Status status = check_features(features); !status) return status.error();
  if (Status status = check_target(options.target); !status) return status.error();
  Result<std::unique_ptr<Watcher>> watcher = Watcher::make(features, options.use_uprobe_multi);
  if (!watcher) return watcher.error();
  WatchTarget wanted;
  wanted.spec = options.target;
  wanted.attach = options.attach;
  wanted.mode = WatchMode::kFull;  // a query's start must be seen to know who is in one
  wanted.max_overhead_percent.reset();
  Result<std::uint32_t> added = (*watcher)->add(wanted);
  if (!added) return added.error();
  target = *added;
  return watcher;
}

// True: the user wants to stop, or nothing is left to look at.
bool pass_round(Watcher& watcher, Clock::time_point until, const WaitUntil& wait) {
  if (wait(until)) return true;
  watcher.sweep();
  std::vector<Reading> readings;
  if (Status status = watcher.tick_all(readings); !status) spdlog::error("{}", status.error().message);
  return watcher.all_over();
}

}  // namespace

Result<FlameReport> record_flame(const FlameOptions& options, const FlameProgress& progress, const WaitUntil& wait) {
  std::uint32_t target = 0;
  Result<std::unique_ptr<Watcher>> made = attach(options, target);
  if (!made) return made.error();
  Watcher& watcher = **made;
  Result<FlameRecorder> recorder = FlameRecorder::make(watcher, target, watcher.state(target).label, options.request);
  if (!recorder) return recorder.error();
  spdlog::info("{}: recording for {}", watcher.state(target).label, format_duration(options.duration));
  const auto begin = Clock::now();
  const auto end = begin + options.duration;
  for (bool over = false; !over && Clock::now() < end;) {
    over = pass_round(watcher, std::min<Clock::time_point>(end, Clock::now() + kRound), wait);
    recorder->collect();
    progress(recorder->graph(), std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin));
  }
  FlameReport report;
  report.graph = recorder->finish();
  report.types_seen = recorder->types_seen();
  report.wait_classes = recorder->wait_classes();
  if (watcher.all_over()) {
    for (const std::string& reason : watcher.why_over()) spdlog::warn("{}", reason);
  }
  watcher.release();
  return report;
}

}  // namespace outrider
