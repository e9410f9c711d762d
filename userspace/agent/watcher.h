// Watches any number of targets with one set of programs: each interval it reads the counters, prices the probes, keeps
// each target inside its budget and makes the snapshots. Targets come and go while it runs. Time is the caller's: it
// calls tick() when an interval is over. Not thread-safe. Needs CAP_BPF and CAP_PERFMON.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/agent/shedding.h"
#include "userspace/agent/target_watch.h"
#include "userspace/base/fault_notice.h"
#include "userspace/kernel/features.h"
#include "userspace/kernel/program_time.h"
#include "userspace/model/figures.h"
#include "userspace/model/health.h"
#include "userspace/model/resource_summary.h"
#include "userspace/model/snapshot.h"
#include "userspace/model/snapshot_builder.h"
#include "userspace/model/throughput.h"
#include "userspace/target/host_metrics.h"
#include "userspace/target/proc_metrics.h"

namespace outrider {

class StackSampler;
struct SamplerOptions;

/// auto: everything inside the budget; the other two are the user's choice and nothing is shed.
enum class WatchMode { kAuto, kFull, kLight };

/// What is told of a single query's text: nothing, what its type says where that is a statement, or the text as it is.
enum class QueryText { kOff, kStatement, kRaw };

/// What to watch, and how.
struct WatchTarget {
  TargetSpec spec;
  std::string name;  ///< what every output calls it; empty: from the spec
  AttachOptions attach;
  WatchMode mode = WatchMode::kAuto;
  std::optional<double> max_overhead_percent = 3;  ///< of the target's CPU; none: never shed
  std::chrono::milliseconds interval{1000};        ///< between two readings, which the caller keeps
  HealthThresholds health;
  QueryText query_text = QueryText::kOff;
  /// Types are statements, where the engine's probes have their text and its profile says how it is written; else first
  /// keywords.
  bool statements = true;
  std::chrono::milliseconds in_flight_after{10'000};  ///< queries in flight for so long are listed one by one
};

/// One interval of one target, which is over.
struct Reading {
  std::uint32_t target = 0;  ///< as add() returned it
  Snapshot snapshot;
  TargetFigures interval;  ///< what was counted in it
  bool running = false;    ///< a process of the target is there
  /// The slowest OUTRIDER_SLOW_QUERIES of each type that ended in it, the slowest first.
  std::vector<SlowQuery> slow;
  /// For longer than WatchTarget::in_flight_after, the oldest kMostInFlight first. None: their starts are not probed
  /// now.
  std::optional<std::vector<InFlightQuery>> in_flight;
};

/// What a target has come to.
struct WatchedState {
  std::string label;     ///< what every output calls it
  std::string profile;   ///< empty: no engine was found yet
  std::string build_id;  ///< see TargetWatch::build_id
  std::size_t processes = 0;
  std::optional<std::uint64_t> handle_limit;  ///< see ProcessMetrics::handle_limit
  std::string over;                           ///< why nothing of it can come back; empty: it can
  bool unsafe = false;                        ///< it is over(), for it must not be probed any more
};

class Watcher {
 public:
  static constexpr std::size_t kMostInFlight = 16;

  /// Loads the programs and measures what a probe costs here. `features` have passed check_features(). Errors: the
  /// kernel refuses something all the same.
  static Result<std::unique_ptr<Watcher>> make(const Features& features, bool use_uprobe_multi);

  /// Attaches; the target's first interval begins now. Returns its number. Errors: it is not there, no profile fits,
  /// a site is unsafe, another target has the same processes.
  Result<std::uint32_t> add(const WatchTarget& target);

  /// Detaches and forgets it. Its number may be given to another target later.
  void remove(std::uint32_t target);

  /// Ends the interval of the targets in `over` and appends a reading each. An error leaves the intervals open; the
  /// next tick covers them too.
  Status tick(const std::set<std::uint32_t>& over, std::vector<Reading>& readings);
  /// The same for all targets. `last`: nothing is decided for a next interval.
  Status tick_all(std::vector<Reading>& readings, bool last = false);

  /// From the next reading on, for all targets.
  void set_health(const HealthThresholds& health);
  void set_in_flight_after(std::chrono::milliseconds after);

  /// Lets go of probed files that somebody waits to write to. To be called every second.
  void sweep();

  /// Detaches everything; the counters can still be read by one last tick().
  void release();

  /// The figures since each target was added, in the order in which they were.
  [[nodiscard]] std::vector<Snapshot> summaries() const;

  /// Of a target that add() returned and nobody removed.
  [[nodiscard]] WatchedState state(std::uint32_t target) const;

  /// Samples the stacks of a target's threads that are in a query, until the sampler is gone. Errors: the starts of its
  /// queries are not seen now; the kernel refuses.
  Result<StackSampler> sample_stacks(std::uint32_t target, const SamplerOptions& options) const;
  [[nodiscard]] std::vector<pid_t> processes(std::uint32_t target) const { return session_->processes(target); }
  /// The query types of a target, by slot.
  [[nodiscard]] std::map<std::uint32_t, std::string> type_names(std::uint32_t target) const {
    return session_->type_names(target);
  }

  /// Kernel memory of the maps, as the kernel told about once a minute.
  [[nodiscard]] std::uint64_t map_bytes() const { return map_bytes_; }
  [[nodiscard]] double trap_ns() const { return prices_.trap_ns; }

  /// No target can come back (PIDs that are gone).
  [[nodiscard]] bool all_over() const;
  /// One sentence for each target, once all_over().
  [[nodiscard]] std::vector<std::string> why_over() const;

 private:
  using Clock = std::chrono::steady_clock;
  using Interval = std::chrono::milliseconds;

  /// What one interval cost a target.
  struct Cost {
    std::array<double, OUTRIDER_RUNS> by_kind{};  ///< nanoseconds
    double ns = 0;                                ///< their sum
    double cpu_ns = 0;                            ///< that the target used, the probes included
    double queries = 0;                           ///< outermost ones
  };

  /// One target with all that is remembered about it between intervals.
  struct Watched {
    Watched(TargetWatch target, const ShedOptions& shed) : watch(std::move(target)), shedder(shed) {}

    /// Adds an interval to the figures of the whole run.
    void add(const TargetFigures& interval, double interval_seconds, const ProbePlanForInterval& plan,
             const Cost& cost);

    TargetWatch watch;
    std::vector<pid_t> processes;  ///< at the last reading
    Shedder shedder;
    HealthThresholds health;
    Interval every{1000}, in_flight_after{10'000};
    QueryText query_text = QueryText::kOff;
    bool statements = true;
    ProcessMetrics resources;
    TargetCounters previous;
    std::optional<TargetCounters> skipped;  ///< the last reading since the interval began, for its maxima
    RunCounts last_runs{};                  ///< of the last interval
    RunningTotals totals;
    ThroughputWindow throughput;
    double cost_ns = 0;  ///< since attach
    double cpu_ns = 0;
    double attached_seconds = 0, cache_seconds = 0, seconds = 0;
    ResourceSummary resource_summary, host_summary;
    FaultNotice fault;
  };

  /// The host's figures over one length of interval.
  struct Host {
    HostMetrics metrics;
    ResourceSample sample;
  };

  explicit Watcher(BpfSession session);
  Status measure_prices();
  Status begin(Watched& target);
  void allow_texts(const Watched& target);
  /// Their types' texts, for people.
  void add_statements(Snapshot& snapshot) const;
  void add_texts(QueryText wanted, Reading& reading) const;
  static void add_sessions(Reading& reading);
  void name_statements(Watched& target, Snapshot& snapshot);
  [[nodiscard]] std::set<std::uint32_t> indices() const;
  Status read(const std::set<std::uint32_t>& over, std::vector<Reading>& readings, bool last);
  void sample_hosts(const std::set<std::uint32_t>& over);
  TargetCounters take_counters(Watched& target);
  void apply(Watched& target);
  void refresh(Watched& target);
  void refresh_targets();
  void seek_targets();
  void leave_out_the_past(Watched& target);
  void take_prices();
  void sample_prices();
  void start_sample();
  [[nodiscard]] Cost cost_of(const RunCounts& runs, const TargetFigures& interval) const;
  Reading observe(Watched& target, const HostFigures& host, bool last);
  [[nodiscard]] std::optional<std::vector<InFlightQuery>> long_in_flight(const Watched& target,
                                                                         const TargetCounters& current) const;
  [[nodiscard]] Snapshot summarise(const Watched& target) const;
  [[nodiscard]] RunCounts runs() const;
  [[nodiscard]] bool unpriced_work() const;

  std::unique_ptr<BpfSession> session_;  // at a fixed address: targets and attachments point to it
  std::unique_ptr<Attachments> attachments_;
  ProgramTime program_time_;
  UnitPrices prices_;
  std::vector<std::string> notes_;  ///< on figures that are not what they should be
  std::list<Watched> targets_;
  std::map<Interval, Host> hosts_;
  unsigned interval_ = 0;
  Clock::time_point last_refresh_, last_seek_;
  RunCounts sample_begin_{};
  std::uint64_t map_bytes_ = 0;
};

}  // namespace outrider
