#include "userspace/agent/watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "userspace/kernel/features.h"
#include "userspace/kernel/trap_cost.h"
#include "userspace/model/resource_summary.h"
#include "userspace/model/snapshot_builder.h"
#include "userspace/model/throughput.h"
#include "userspace/target/host_metrics.h"
#include "userspace/target/proc_metrics.h"

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

// The programs' run time is measured in this interval of every so many, and in the first ones.
constexpr unsigned kPriceCycle = 16;
constexpr unsigned kPriceFirst = 2;
// Looking through /proc for new processes costs more than reading counters.
constexpr std::chrono::seconds kRefreshEvery{2};
// Somebody may be waiting to write into a probed file.
constexpr std::chrono::seconds kSweepEvery{1};
// Memory or descriptors that ran short come back; what does not is the end.
constexpr unsigned kMaxFailures = 5;

std::int64_t unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// An engine that has not come yet may turn out to be one for which light mode means nothing.
bool may_go_light(const TargetWatch& watch) { return watch.profile().empty() || watch.light_possible(); }

ShedOptions shed_options(const WatchOptions& options, bool light_possible) {
  ShedOptions shed;
  shed.may_go_light = light_possible;
  shed.budget_percent = options.max_overhead_percent;
  shed.fixed = options.mode != WatchMode::kAuto;
  if (options.mode == WatchMode::kLight) shed.floor = ShedLevel::kLight;
  return shed;
}

/// One target with all that is remembered about it between intervals.
struct Watched {
  Watched(TargetWatch target, const ShedOptions& shed) : watch(std::move(target)), shedder(shed) {}

  TargetWatch watch;
  Shedder shedder;
  ProcessMetrics resources;
  TargetCounters previous;
  RunningTotals totals;
  ThroughputWindow throughput;
  double cost_ns = 0;  ///< since attach
  double cpu_ns = 0;
  double attached_seconds = 0, cache_seconds = 0, seconds = 0;
  ResourceSummary resource_summary;
};

class Watcher {
 public:
  Watcher(BpfSession session, const WatchOptions& options)
      : options_(options),
        session_(std::make_unique<BpfSession>(std::move(session))),
        attachments_(std::make_unique<Attachments>(*session_)),
        program_time_(session_->programs()) {}

  Status measure_prices();
  Status add_targets();
  Status run(const SnapshotSink& sink, const WaitUntil& wait);

 private:
  Status tick(const SnapshotSink& sink, bool last);
  void refresh_targets();
  void sweep();
  bool sleep_until(Clock::time_point deadline, const WaitUntil& wait);
  Snapshot observe(Watched& target, bool last);
  Snapshot summarise(Watched& target) const;
  void finish(const SnapshotSink& sink);
  [[nodiscard]] bool all_over() const;
  [[nodiscard]] bool unpriced_work() const;

  WatchOptions options_;
  std::unique_ptr<BpfSession> session_;  // at a fixed address: targets and attachments point to it
  std::unique_ptr<Attachments> attachments_;
  ProgramTime program_time_;
  UnitPrices prices_;
  std::vector<std::string> notes_;  ///< on figures that are not what they should be
  std::vector<Watched> targets_;
  HostMetrics host_;
  ResourceSample host_sample_;
  ResourceSummary host_summary_;
  Clock::time_point last_host_sample_;
  unsigned interval_ = 0;
  Clock::time_point last_refresh_;
  RunCounts sample_begin_{};
};

Status Watcher::measure_prices() {
  if (Status status = program_time_.measure_idle(); !status) {
    notes_.push_back("overhead: from typical run times, for these could not be measured: " + status.error().message);
    spdlog::warn("what the programs cost is estimated: {}; run as root or with CAP_SYS_ADMIN", status.error().message);
    for (std::size_t i = 0; i < prices_.program_ns.size(); ++i) {
      prices_.program_ns[i] = program_time_.nanoseconds(static_cast<outrider_run>(i));
    }
  }
  Result<double> trap = measure_trap(*session_);
  if (!trap) return trap.error();
  prices_.trap_ns = *trap;
  spdlog::info("a probe hit costs {:.0f} ns on this machine; maps take {:.1f} MiB of kernel memory", *trap,
               static_cast<double>(session_->map_bytes()) / 1048576);
  return Ok{};
}

Status Watcher::add_targets() {
  AttachOptions attach = options_.attach;
  attach.light_only = options_.mode == WatchMode::kLight;
  for (const TargetSpec& spec : options_.targets) {
    Result<TargetWatch> watch = TargetWatch::make(*session_, *attachments_, spec, attach);
    if (!watch) return watch.error();
    const ShedOptions shed = shed_options(options_, may_go_light(*watch));
    const auto same = [&](const Watched& other) { return other.watch.named() == watch->named(); };
    watch->number(1 + std::count_if(targets_.begin(), targets_.end(), same));
    targets_.emplace_back(std::move(*watch), shed);
  }
  host_sample_ = host_.sample();
  last_host_sample_ = Clock::now();
  if (Status status = session_->next_interval(); !status) return status;
  for (Watched& target : targets_) {
    if (Status status = target.watch.apply(target.shedder.plan()); !status) return status;
    target.previous = session_->read(target.watch.index());
    target.resources.sample(target.watch.processes(), target.previous.time_ns);
    spdlog::info("{}: attached to {} process(es)", target.watch.label(), target.watch.processes().size());
  }
  return Ok{};
}

void Watcher::refresh_targets() {
  if (Clock::now() - last_refresh_ < kRefreshEvery) return;
  last_refresh_ = Clock::now();
  for (Watched& target : targets_) {
    for (const std::string& change : target.watch.refresh()) spdlog::info("{}: {}", target.watch.label(), change);
    target.shedder.set_may_go_light(may_go_light(target.watch));
  }
}

void Watcher::sweep() {
  session_->forget_ended();
  const auto gone = attachments_->sweep(session_->files_in_use());
  for (Watched& target : targets_) target.watch.forget(gone);
}

// True: the user wants to stop.
bool Watcher::sleep_until(Clock::time_point deadline, const WaitUntil& wait) {
  for (;;) {
    const auto next = std::min<Clock::time_point>(deadline, Clock::now() + kSweepEvery);
    if (wait(next)) return true;
    sweep();
    if (next >= deadline) return false;
  }
}

Snapshot Watcher::observe(Watched& target, bool last) {
  TargetCounters current = session_->read(target.watch.index());
  keep_highest(target.previous, current);
  const ProbePlanForInterval plan = target.shedder.plan();
  const double seconds = static_cast<double>(current.time_ns - target.previous.time_ns) / 1e9;
  const double query_share = plan.mode == ProbeMode::kPaused ? 0 : 1;
  const TargetFigures interval = difference(target.previous, current);
  target.totals.add(interval, seconds, query_share);
  target.seconds += seconds;
  target.attached_seconds += query_share * seconds;
  target.cache_seconds += plan.cache ? seconds : 0;

  const auto cost = price(current.runs - target.previous.runs, prices_);
  const double cost_ns = std::accumulate(cost.begin(), cost.end(), 0.0);
  const auto cpu_ns = static_cast<double>(interval.cpu_ns);
  std::uint64_t queries = 0;
  for (const auto& [id, type] : interval.types) {
    if (!id.second) queries += type.queries;
  }
  target.cost_ns += cost_ns;
  target.cpu_ns += cpu_ns;
  if (query_share > 0) target.throughput.add(static_cast<double>(queries), seconds);

  SnapshotInput input;
  input.target = target.watch.label();
  input.timestamp_ms = unix_ms();
  input.previous = &target.previous;
  input.current = &current;
  input.totals = &target.totals;
  input.mode = plan.mode;
  input.query_share = query_share;
  input.cache_share = plan.cache ? 1 : 0;
  input.unavailable = notes_;
  input.queries_per_second_5m = target.throughput.mean();
  if (queries > 0) input.probe_ns_per_query = cost_ns / static_cast<double>(queries);
  if (cpu_ns > 0) input.probe_percent_of_target_cpu = 100 * cost_ns / cpu_ns;
  input.host = host_sample_;
  input.target_resources = target.resources.sample(target.watch.processes(), current.time_ns);
  target.resource_summary.add(input.target_resources, seconds);
  Snapshot snapshot = build_snapshot(input);

  target.previous = current;
  if (last) return snapshot;
  if (const auto change = target.shedder.observe(cost, cpu_ns)) spdlog::warn("{}: {}", target.watch.label(), *change);
  return snapshot;
}

Snapshot Watcher::summarise(Watched& target) const {
  SnapshotInput input;
  input.target = target.watch.label();
  input.timestamp_ms = unix_ms();
  input.current = &target.previous;
  input.interval_seconds = target.seconds;
  input.totals = &target.totals;
  input.summary = true;
  input.unavailable = notes_;
  input.mode = target.shedder.plan().mode;
  if (input.mode == ProbeMode::kPaused) input.mode = ProbeMode::kLight;
  input.query_share = target.seconds > 0 ? target.attached_seconds / target.seconds : 1;
  input.cache_share = target.seconds > 0 ? target.cache_seconds / target.seconds : 1;
  input.queries_per_second_5m = target.throughput.mean();
  double queries = 0;
  for (const auto& [id, type] : target.totals.figures().types) {
    if (!id.second) queries += static_cast<double>(type.queries);
  }
  if (queries > 0) input.probe_ns_per_query = target.cost_ns / queries;
  if (target.cpu_ns > 0) input.probe_percent_of_target_cpu = 100 * target.cost_ns / target.cpu_ns;
  input.host = host_summary_.result();
  input.target_resources = target.resource_summary.result();
  return build_snapshot(input);
}

bool Watcher::all_over() const {
  return std::all_of(targets_.begin(), targets_.end(), [](const Watched& target) { return target.watch.over(); });
}

// Programs that have run but in no sample yet: the load began after the first ones, or the regular ones met pauses.
bool Watcher::unpriced_work() const {
  for (std::size_t what = 0; what < prices_.program_ns.size(); ++what) {
    if (what == OUTRIDER_RUN_SHARED_TRAP || prices_.program_ns[what] > 0) continue;
    const auto ran = [what](const Watched& target) { return target.previous.runs[what] > 0; };
    if (std::any_of(targets_.begin(), targets_.end(), ran)) return true;
  }
  return false;
}

Status Watcher::tick(const SnapshotSink& sink, bool last) {
  if (Status status = session_->next_interval(); !status) return status;
  const auto now_time = Clock::now();
  host_sample_ = host_.sample();
  host_summary_.add(host_sample_, std::chrono::duration<double>(now_time - last_host_sample_).count());
  last_host_sample_ = now_time;
  if (program_time_.sampling()) {
    RunCounts now{};
    for (const Watched& target : targets_) {
      const TargetCounters counters = session_->read(target.watch.index());
      for (std::size_t i = 0; i < now.size(); ++i) now[i] += counters.runs[i];
    }
    program_time_.end_sample(now - sample_begin_);
    for (std::size_t i = 0; i < prices_.program_ns.size(); ++i) {
      prices_.program_ns[i] = program_time_.nanoseconds(static_cast<outrider_run>(i));
    }
  }
  std::vector<Snapshot> snapshots;
  snapshots.reserve(targets_.size());
  for (Watched& target : targets_) snapshots.push_back(observe(target, last));
  sink(snapshots);
  if (last) return Ok{};
  for (Watched& target : targets_) {
    if (Status status = target.watch.apply(target.shedder.plan()); !status) {
      spdlog::error("{}: {}", target.watch.label(), status.error().message);
    }
  }
  refresh_targets();
  ++interval_;
  if (interval_ < kPriceFirst || interval_ % kPriceCycle == 0 || unpriced_work()) {
    sample_begin_ = {};
    for (const Watched& target : targets_) {
      for (std::size_t i = 0; i < sample_begin_.size(); ++i) sample_begin_[i] += target.previous.runs[i];
    }
    program_time_.start_sample();
  }
  return Ok{};
}

// Detaches first, then reads once more: what ended in between is counted.
void Watcher::finish(const SnapshotSink& sink) {
  for (Watched& target : targets_) target.watch.release();
  if (Status status = tick(sink, true); !status) spdlog::error("{}", status.error().message);
  std::vector<Snapshot> summaries;
  summaries.reserve(targets_.size());
  for (Watched& target : targets_) summaries.push_back(summarise(target));
  sink(summaries);
}

Status Watcher::run(const SnapshotSink& sink, const WaitUntil& wait) {
  const auto begin = Clock::now();
  auto deadline = begin;
  unsigned failures = 0;
  program_time_.start_sample();
  for (;;) {
    deadline += options_.interval;
    const bool late = Clock::now() > deadline;
    if (late) deadline = Clock::now() + options_.interval;  // stopped, or starved: do not catch up
    const bool over = options_.duration && deadline >= begin + *options_.duration;
    const bool stop = sleep_until(over ? begin + *options_.duration : deadline, wait);
    if (stop || over || all_over()) break;
    Status status = tick(sink, false);
    failures = status ? 0 : failures + 1;
    if (status) continue;
    spdlog::error("this interval is left out, the next one covers it too: {}", status.error().message);
    if (failures == kMaxFailures) {
      finish(sink);
      return status;
    }
  }
  if (all_over()) {
    for (const Watched& target : targets_) spdlog::warn("{}: {}", target.watch.label(), target.watch.why_over());
  }
  finish(sink);
  return Ok{};
}

}  // namespace

Status run_watch(const WatchOptions& options, const SnapshotSink& sink, const WaitUntil& wait) {
  const Features features = probe_features();
  if (Status status = check_features(features); !status) return status;
  for (const TargetSpec& target : options.targets) {
    if (Status status = check_target(target); !status) return status;
  }
  SessionOptions session_options;
  session_options.use_uprobe_multi = options.use_uprobe_multi && features.uprobe_multi;
  Result<BpfSession> session = BpfSession::make(session_options);
  if (!session) return session.error();
  Watcher watcher(std::move(*session), options);
  if (Status status = watcher.measure_prices(); !status) return status;
  if (Status status = watcher.add_targets(); !status) return status;
  return watcher.run(sink, wait);
}

}  // namespace outrider
