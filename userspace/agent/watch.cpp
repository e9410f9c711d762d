#include "userspace/agent/watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "userspace/agent/watcher.h"

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

// Somebody may be waiting to write into a probed file.
constexpr std::chrono::seconds kSweepEvery{1};
// Memory or descriptors that ran short come back; what does not is the end.
constexpr unsigned kMaxFailures = 5;

// True: the user wants to stop.
bool sleep_until(Clock::time_point deadline, const WaitUntil& wait, Watcher& watcher) {
  for (;;) {
    const auto next = std::min<Clock::time_point>(deadline, Clock::now() + kSweepEvery);
    if (wait(next)) return true;
    watcher.sweep();
    if (next >= deadline) return false;
  }
}

Status read_interval(Watcher& watcher, const SnapshotSink& sink, bool last) {
  std::vector<Reading> readings;
  if (Status status = watcher.tick_all(readings, last); !status) return status;
  std::vector<Snapshot> snapshots;
  snapshots.reserve(readings.size());
  for (Reading& reading : readings) snapshots.push_back(std::move(reading.snapshot));
  sink(snapshots);
  return Ok{};
}

// Until the duration is over, the user wants to stop, or nothing is left to watch.
Status read_on(const WatchOptions& options, Watcher& watcher, const SnapshotSink& sink, const WaitUntil& wait) {
  const auto begin = Clock::now();
  auto deadline = begin;
  unsigned failures = 0;
  for (;;) {
    deadline += options.interval;
    const bool late = Clock::now() > deadline;
    if (late) deadline = Clock::now() + options.interval;  // stopped, or starved: do not catch up
    const bool over = options.duration && deadline >= begin + *options.duration;
    const bool stop = sleep_until(over ? begin + *options.duration : deadline, wait, watcher);
    if (stop || over || watcher.all_over()) return Ok{};
    Status status = read_interval(watcher, sink, false);
    failures = status ? 0 : failures + 1;
    if (status) continue;
    spdlog::error("this interval is left out, the next one covers it too: {}", status.error().message);
    if (failures == kMaxFailures) return status;
  }
}

}  // namespace

Status run_watch(const WatchOptions& options, const SnapshotSink& sink, const WaitUntil& wait) {
  const Features features = probe_features();
  if (Status status = check_features(features); !status) return status;
  for (const TargetSpec& target : options.targets) {
    if (Status status = check_target(target); !status) return status;
  }
  Result<std::unique_ptr<Watcher>> made = Watcher::make(features, options.use_uprobe_multi);
  if (!made) return made.error();
  Watcher& watcher = **made;
  for (const TargetSpec& spec : options.targets) {
    WatchTarget target;
    target.spec = spec;
    target.attach = options.attach;
    target.mode = options.mode;
    target.interval = options.interval;
    target.max_overhead_percent = options.max_overhead_percent;
    target.statements = options.statements;
    if (Result<std::uint32_t> added = watcher.add(target); !added) return added.error();
  }
  Status status = read_on(options, watcher, sink, wait);
  if (watcher.all_over()) {
    for (const std::string& reason : watcher.why_over()) spdlog::warn("{}", reason);
  }
  // Detaches first, then reads once more: what ended in between is counted.
  watcher.release();
  if (Status last = read_interval(watcher, sink, true); !last) spdlog::error("{}", last.error().message);
  sink(watcher.summaries());
  return status;
}

}  // namespace outrider
