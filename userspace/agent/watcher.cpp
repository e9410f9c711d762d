#include "userspace/agent/watcher.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "userspace/base/moment.h"
#include "userspace/kernel/stack_sampler.h"
#include "userspace/kernel/trap_cost.h"
#include "userspace/target/proc_reader.h"
#include "userspace/target/session_title.h"

namespace outrider {
namespace {

// The programs' run time is measured in this interval of every so many, and in the first ones: each time the kernel
// rewrites its own code twice, and every program on the host runs slower meanwhile.
constexpr unsigned kPriceCycle = 60;
constexpr unsigned kPriceFirst = 2;
constexpr std::uint64_t kFarMoreRuns = 4;
// Looking through /proc for new processes costs more than reading counters.
constexpr std::chrono::seconds kRefreshEvery{2};
constexpr std::chrono::milliseconds kSeekEvery{400};  // all of a host's control groups are looked through
constexpr std::size_t kMostTitles = 64;               // that are read in an interval

// An engine that has not come yet may turn out to be one for which light mode means nothing.
bool may_go_light(const TargetWatch& watch) { return watch.profile().empty() || watch.light_possible(); }

ShedOptions shed_options(const WatchTarget& target, const TargetWatch& watch) {
  ShedOptions shed;
  shed.may_go_light = may_go_light(watch);
  shed.budget_percent = target.max_overhead_percent;
  shed.fixed = target.mode != WatchMode::kAuto;
  if (target.mode == WatchMode::kLight) shed.floor = ShedLevel::kLight;
  return shed;
}

}  // namespace

Watcher::Watcher(BpfSession session)
    : session_(std::make_unique<BpfSession>(std::move(session))),
      attachments_(std::make_unique<Attachments>(*session_)),
      program_time_(session_->programs()) {}

Result<std::unique_ptr<Watcher>> Watcher::make(const Features& features, bool use_uprobe_multi) {
  SessionOptions options;
  options.use_uprobe_multi = use_uprobe_multi && features.uprobe_multi;
  Result<BpfSession> session = BpfSession::make(options);
  if (!session) return session.error();
  std::unique_ptr<Watcher> watcher(new Watcher(std::move(*session)));
  if (Status status = watcher->measure_prices(); !status) return status.error();
  return watcher;
}

Status Watcher::measure_prices() {
  if (Status status = session_->hook_scheduler(true); !status) return status;
  if (Status status = program_time_.measure_idle(); !status) {
    notes_.push_back("overhead: from typical run times, for these could not be measured: " + status.error().message);
    spdlog::info("what the programs cost is reckoned with typical run times: measuring them takes CAP_SYS_ADMIN ({})",
                 status.error().message);
  }
  for (std::size_t i = 0; i < prices_.program_ns.size(); ++i) {
    prices_.program_ns[i] = program_time_.nanoseconds(static_cast<outrider_run>(i));
  }
  if (Status status = session_->hook_scheduler(false); !status) return status;
  Result<double> trap = measure_trap(*session_);
  if (!trap) return trap.error();
  prices_.trap_ns = *trap;
  program_time_.start_sample();
  map_bytes_ = session_->map_bytes();
  spdlog::info("a probe hit costs {:.0f} ns on this machine; maps take {:.1f} MiB of kernel memory", *trap,
               static_cast<double>(map_bytes_) / 1048576);
  return Ok{};
}

Result<std::uint32_t> Watcher::add(const WatchTarget& wanted) {
  AttachOptions attach = wanted.attach;
  attach.light_only = wanted.mode == WatchMode::kLight;
  Result<TargetWatch> watch = TargetWatch::make(*session_, *attachments_, wanted.spec, attach);
  if (!watch) return watch.error();
  if (!wanted.name.empty()) watch->rename(wanted.name);
  const auto same = [&](const Watched& other) { return other.watch.named() == watch->named(); };
  watch->number(1 + std::count_if(targets_.begin(), targets_.end(), same));
  const ShedOptions shed = shed_options(wanted, *watch);
  Watched& target = targets_.emplace_back(std::move(*watch), shed);
  target.health = wanted.health;
  target.every = wanted.interval;
  target.in_flight_after = wanted.in_flight_after;
  if (const auto [host, added] = hosts_.try_emplace(wanted.interval); added) host->second.metrics.sample();
  const std::uint32_t index = target.watch.index();
  target.query_text = wanted.query_text;
  target.statements = wanted.statements;
  allow_texts(target);
  if (program_time_.sampling()) start_sample();  // other runs are summed from now on
  if (Status status = begin(target); !status) {
    remove(index);
    return status.error();
  }
  spdlog::info("{}: attached to {} process(es)", target.watch.label(), target.processes.size());
  return index;
}

// An engine whose literals cannot be told from the rest has its texts left alone.
void Watcher::allow_texts(const Watched& target) {
  const outrider_sql_dialect dialect = target.watch.sql_dialect();
  const bool known = dialect != OUTRIDER_SQL_NONE;
  session_->set_texts(target.watch.index(), target.query_text == QueryText::kRaw && known);
  session_->set_statements(target.watch.index(), target.statements ? dialect : OUTRIDER_SQL_NONE, target.watch.by());
}

Status Watcher::begin(Watched& target) {
  if (Status status = session_->take_stock(); !status) return status;
  if (Status status = target.watch.apply(target.shedder.plan()); !status) return status;
  target.previous = session_->read(target.watch.index());
  target.processes = target.watch.processes();
  target.resources.sample(target.processes, target.previous.time_ns, HostFigures::read());
  return Ok{};
}

void Watcher::remove(std::uint32_t index) {
  targets_.remove_if([&](Watched& target) {
    if (target.watch.index() != index) return false;
    target.watch.release();
    session_->remove_target(index);
    return true;
  });
  // Figures over an interval that nobody reads would be those of all the time until somebody does again.
  std::erase_if(hosts_, [&](const auto& host) {
    return std::none_of(targets_.begin(), targets_.end(),
                        [&](const Watched& target) { return target.every == host.first; });
  });
  if (program_time_.sampling()) start_sample();
}

// What processes that joined just now had used before is none of this interval's. `target` was read a moment ago.
void Watcher::leave_out_the_past(Watched& target) {
  if (Status status = session_->take_stock(); !status) {
    spdlog::warn("{}: its next CPU use is that of its new processes' whole life: {}", target.watch.label(),
                 status.error().message);
    return;
  }
  const TargetCounters& before = target.skipped ? *target.skipped : target.previous;
  const TargetCounters now = session_->read(target.watch.index());
  target.previous.cpu_ns += now.cpu_ns - std::min(now.cpu_ns, before.cpu_ns);
  target.previous.faults += now.faults - std::min(now.faults, before.faults);
}

void Watcher::refresh(Watched& target) {
  const std::vector<std::string> joined = target.watch.refresh();
  for (const std::string& change : joined) spdlog::info("{}: {}", target.watch.label(), change);
  if (!joined.empty()) leave_out_the_past(target);
  target.shedder.set_may_go_light(may_go_light(target.watch));
  allow_texts(target);
}

void Watcher::refresh_targets() {
  if (Clock::now() - last_refresh_ < kRefreshEvery) return;
  last_refresh_ = Clock::now();
  for (Watched& target : targets_) refresh(target);
}

// Before it is told to be down, and between readings that may be a minute apart.
void Watcher::seek_targets() {
  if (Clock::now() - last_seek_ < kSeekEvery) return;
  last_seek_ = Clock::now();
  for (Watched& target : targets_) {
    if (target.watch.has_to_be_sought()) refresh(target);
  }
}

void Watcher::sweep() {
  seek_targets();
  const auto gone = attachments_->sweep(session_->take_living().files);
  for (Watched& target : targets_) target.watch.forget(gone);
}

void Watcher::Watched::add(const TargetFigures& interval, double interval_seconds, const ProbePlanForInterval& plan,
                           const Cost& cost) {
  const double query_share = plan.mode == ProbeMode::kPaused ? 0 : 1;
  totals.add(interval, interval_seconds, query_share);
  seconds += interval_seconds;
  attached_seconds += query_share * interval_seconds;
  cache_seconds += plan.cache ? interval_seconds : 0;
  cost_ns += cost.ns;
  cpu_ns += cost.cpu_ns;
  if (query_share > 0) throughput.add(cost.queries, interval_seconds);
}

Watcher::Cost Watcher::cost_of(const RunCounts& runs, const TargetFigures& interval) const {
  Cost cost;
  cost.by_kind = price(runs, prices_);
  cost.ns = std::accumulate(cost.by_kind.begin(), cost.by_kind.end(), 0.0);
  cost.cpu_ns = static_cast<double>(interval.cpu_ns);
  for (const auto& [id, type] : interval.types) {
    if (!id.second) cost.queries += static_cast<double>(type.queries);
  }
  return cost;
}

// The interval's maxima are those of all ticks in it.
TargetCounters Watcher::take_counters(Watched& target) {
  TargetCounters current = session_->read(target.watch.index());
  if (target.skipped) {
    keep_maxima(*target.skipped, current);
    keep_slowest(current.slow, OUTRIDER_SLOW_QUERIES);  // else an hour at ticks of a second has 3,600 lists
  }
  target.skipped.reset();
  return current;
}

Reading Watcher::observe(Watched& target, const HostFigures& host, bool last) {
  TargetCounters current = take_counters(target);
  keep_highest(target.previous, current);
  const ProbePlanForInterval plan = target.shedder.plan();
  const double seconds = static_cast<double>(current.time_ns - target.previous.time_ns) / 1e9;
  Reading reading;
  reading.target = target.watch.index();
  reading.interval = difference(target.previous, current);
  target.last_runs = current.runs - target.previous.runs;
  const Cost cost = cost_of(target.last_runs, reading.interval);
  target.add(reading.interval, seconds, plan, cost);

  SnapshotInput input;
  input.target = target.watch.label();
  input.timestamp_ms = unix_ms();
  input.previous = &target.previous;
  input.current = &current;
  input.totals = &target.totals;
  input.mode = plan.mode;
  input.query_share = plan.mode == ProbeMode::kPaused ? 0 : 1;
  input.cache_share = plan.cache ? 1 : 0;
  input.unavailable = notes_;
  input.queries_per_second_5m = target.throughput.mean();
  if (cost.queries > 0) input.probe_ns_per_query = cost.ns / cost.queries;
  if (cost.cpu_ns > 0) input.probe_percent_of_target_cpu = 100 * cost.ns / cost.cpu_ns;
  input.host = hosts_[target.every].sample;
  reading.running = !target.processes.empty();
  input.target_resources = target.resources.sample(target.processes, current.time_ns, host);
  input.health = target.health;
  target.resource_summary.add(input.target_resources, seconds);
  target.host_summary.add(input.host, seconds);
  reading.snapshot = build_snapshot(input);
  keep_slowest(current.slow, OUTRIDER_SLOW_QUERIES);
  reading.slow = std::exchange(current.slow, {});
  reading.in_flight = long_in_flight(target, current);
  add_texts(target.query_text, reading);
  if (target.watch.titles_are_known()) add_sessions(reading);
  if (target.statements) name_statements(target, reading.snapshot);
  target.previous = std::move(current);
  if (last) return reading;
  const auto change = target.shedder.observe(cost.by_kind, cost.cpu_ns);
  if (change) spdlog::warn("{}: {}", target.watch.label(), *change);
  return reading;
}

// The walk is done only if there is something to be found.
std::optional<std::vector<InFlightQuery>> Watcher::long_in_flight(const Watched& target,
                                                                  const TargetCounters& current) const {
  if (target.shedder.plan().mode != ProbeMode::kFull) return std::nullopt;
  const std::chrono::nanoseconds oldest(current.time_ns - std::min(current.time_ns, current.oldest_start_ns));
  if (current.oldest_start_ns == 0 || oldest < target.in_flight_after) {
    return std::vector<InFlightQuery>();
  }
  Result<std::vector<InFlightQuery>> list =
      session_->in_flight(target.watch.index(), target.in_flight_after, kMostInFlight);
  if (list) return std::move(*list);
  spdlog::debug("{}: queries in flight cannot be listed: {}", target.watch.label(), list.error().message);
  return std::nullopt;
}

void Watcher::add_texts(QueryText wanted, Reading& reading) const {
  const auto show = [&](auto& query) {
    if (wanted == QueryText::kStatement) {
      const auto statement = session_->statement(query.type);
      query.text = statement ? *statement : std::string();
    } else if (query.text.size() == OUTRIDER_QUERY_TEXT - 1) {
      query.text += "...";
    }
  };
  std::for_each(reading.slow.begin(), reading.slow.end(), show);
  if (reading.in_flight) std::for_each(reading.in_flight->begin(), reading.in_flight->end(), show);
}

// From the title that the process has now: a server's process is one client's for as long as it lives.
void Watcher::add_sessions(Reading& reading) {
  const ProcReader proc;
  std::map<pid_t, ClientSession> sessions;
  const auto session_of = [&](pid_t process) {
    const auto known = sessions.find(process);
    if (known != sessions.end()) return known->second;
    if (sessions.size() >= kMostTitles) return ClientSession{};
    const auto title = proc.command_line(process);
    return sessions[process] = (title ? session_of_title(*title) : std::nullopt).value_or(ClientSession{});
  };
  if (reading.in_flight) {
    for (InFlightQuery& query : *reading.in_flight) query.session = session_of(query.process);
  }
  for (SlowQuery& query : reading.slow) query.session = session_of(query.process);
}

// The interval is over: what its types say, and room for those of the next one.
void Watcher::name_statements(Watched& target, Snapshot& snapshot) {
  add_statements(snapshot);
  for (const std::string& gone : session_->make_room(target.watch.index(), targets_.size()))
    target.totals.give_up(gone);
}

void Watcher::add_statements(Snapshot& snapshot) const {
  for (auto& [name, type] : snapshot.query_metrics.query_type_breakdown) {
    type.statement = session_->statement(name);
    type.session = session_->session(name);
  }
}

Snapshot Watcher::summarise(const Watched& target) const {
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
  const TargetFigures& totals = target.totals.figures();
  for (const auto* types : {&totals.types, &totals.given_up}) {
    for (const auto& [id, type] : *types) {
      if (!id.second) queries += static_cast<double>(type.queries);
    }
  }
  if (queries > 0) input.probe_ns_per_query = target.cost_ns / queries;
  if (target.cpu_ns > 0) input.probe_percent_of_target_cpu = 100 * target.cost_ns / target.cpu_ns;
  input.health = target.health;
  input.host = target.host_summary.result();
  input.target_resources = target.resource_summary.result();
  Snapshot snapshot = build_snapshot(input);
  if (target.statements) add_statements(snapshot);
  return snapshot;
}

std::vector<Snapshot> Watcher::summaries() const {
  std::vector<Snapshot> all;
  for (const Watched& target : targets_) all.push_back(summarise(target));
  return all;
}

WatchedState Watcher::state(std::uint32_t index) const {
  WatchedState state;
  for (const Watched& target : targets_) {
    if (target.watch.index() != index) continue;
    state.label = target.watch.label();
    state.profile = target.watch.profile();
    state.build_id = target.watch.build_id();
    state.handle_limit = target.resources.handle_limit();
    state.processes = target.processes.size();
    if (target.watch.over(target.processes)) state.over = target.watch.why_over();
    state.unsafe = target.watch.unsafe();
  }
  return state;
}

Result<StackSampler> Watcher::sample_stacks(std::uint32_t index, const SamplerOptions& options) const {
  for (const Watched& target : targets_) {
    if (target.watch.index() != index) continue;
    if (target.shedder.plan().mode == ProbeMode::kFull) return StackSampler::make(*session_, index, options);
    return Error{
        fmt::format("{}: the starts of its queries are not probed now (light mode, or paused to keep inside the "
                    "budget), so nobody can tell which stack is of which query",
                    target.watch.label()),
        EAGAIN};
  }
  return Error{"no such target", ENOENT};
}

bool Watcher::all_over() const {
  return std::all_of(targets_.begin(), targets_.end(),
                     [](const Watched& target) { return target.watch.over(target.processes); });
}

std::vector<std::string> Watcher::why_over() const {
  std::vector<std::string> reasons;
  for (const Watched& target : targets_) reasons.push_back(target.watch.label() + ": " + target.watch.why_over());
  return reasons;
}

// Programs that run now and have been in no sample yet, or in one of far fewer runs: the load began or grew after it.
bool Watcher::unpriced_work() const {
  for (std::size_t what = 0; what < prices_.program_ns.size(); ++what) {
    if (what == OUTRIDER_RUN_SHARED_TRAP) continue;
    std::uint64_t ran = 0;
    for (const Watched& target : targets_) ran += target.last_runs[what];
    if (ran > kFarMoreRuns * program_time_.measured_runs(static_cast<outrider_run>(what))) return true;
  }
  return false;
}

RunCounts Watcher::runs() const {
  RunCounts sum{};
  for (const Watched& target : targets_) {
    const RunCounts mine = session_->runs(target.watch.index());
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += mine[i];
  }
  return sum;
}

void Watcher::take_prices() {
  if (!program_time_.sampling()) return;
  program_time_.end_sample(runs() - sample_begin_);
  for (std::size_t i = 0; i < prices_.program_ns.size(); ++i) {
    prices_.program_ns[i] = program_time_.nanoseconds(static_cast<outrider_run>(i));
  }
}

void Watcher::sample_prices() {
  ++interval_;
  const bool due = interval_ < kPriceFirst || interval_ % kPriceCycle == 0;
  if (due) map_bytes_ = session_->map_bytes();
  if (program_time_.measurable() && (due || unpriced_work())) start_sample();
}

void Watcher::start_sample() {
  sample_begin_ = runs();
  program_time_.start_sample();
}

// Targets of one interval share the host's figures.
void Watcher::sample_hosts(const std::set<std::uint32_t>& over) {
  std::set<Interval> intervals;
  for (const Watched& target : targets_) {
    if (over.contains(target.watch.index())) intervals.insert(target.every);
  }
  for (const Interval& interval : intervals) hosts_[interval].sample = hosts_[interval].metrics.sample();
}

void Watcher::apply(Watched& target) {
  const Status status = target.watch.apply(target.shedder.plan());
  const auto say = target.fault.observe(!status, Clock::now());
  if (say == FaultNotice::Say::kBegan) spdlog::error("{}: {}", target.watch.label(), status.error().message);
  if (say == FaultNotice::Say::kEnded) spdlog::info("{}: probed again as it should be", target.watch.label());
}

void Watcher::set_health(const HealthThresholds& health) {
  for (Watched& target : targets_) target.health = health;
}

void Watcher::set_in_flight_after(std::chrono::milliseconds after) {
  for (Watched& target : targets_) target.in_flight_after = after;
}

std::set<std::uint32_t> Watcher::indices() const {
  std::set<std::uint32_t> all;
  for (const Watched& target : targets_) all.insert(target.watch.index());
  return all;
}

Status Watcher::tick_all(std::vector<Reading>& readings, bool last) { return read(indices(), readings, last); }

Status Watcher::tick(const std::set<std::uint32_t>& over, std::vector<Reading>& readings) {
  return read(over, readings, false);
}

Status Watcher::read(const std::set<std::uint32_t>& over, std::vector<Reading>& readings, bool last) {
  if (Status status = session_->next_interval(); !status) return status;
  take_prices();
  sample_hosts(over);
  const HostFigures host = HostFigures::read();
  seek_targets();
  std::map<std::uint32_t, std::vector<pid_t>> processes = session_->take_living().processes;
  for (Watched& target : targets_) {
    target.processes = std::move(processes[target.watch.index()]);
    if (over.contains(target.watch.index())) {
      readings.push_back(observe(target, host, last));
    } else {
      target.skipped = take_counters(target);
    }
  }
  if (last) return Ok{};
  for (Watched& target : targets_) {
    if (over.contains(target.watch.index())) apply(target);
  }
  refresh_targets();
  sample_prices();
  return Ok{};
}

void Watcher::release() {
  for (Watched& target : targets_) target.watch.release();
}

}  // namespace outrider
