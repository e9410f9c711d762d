#include "userspace/service/targets.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <utility>

#include "userspace/agent/watch_words.h"
#include "userspace/base/moment.h"
#include "userspace/service/target_spec.h"
#include "userspace/target/profile.h"

namespace outrider {
namespace {

constexpr std::chrono::seconds kLongestPause{60};
// Nothing older than this many intervals says what a target is doing.
constexpr int kGapIntervals = 3;

std::string state_key(const std::string& target) { return "availability." + target; }

// Empty for a shipped profile, which cannot change under us, and for a file that cannot be read, which is an error
// elsewhere.
std::string text_of(const std::string& profile) {
  std::ifstream file(profile);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

AvailabilityOptions availability_options(const AvailabilityConfig& config, std::chrono::milliseconds interval) {
  AvailabilityOptions options;
  options.objective = config.objective;
  options.stalled_after_ms = config.stalled_after.count();
  options.longest_gap_ms = std::max<std::int64_t>(options.longest_gap_ms, kGapIntervals * interval.count());
  return options;
}

bool same_options(const AvailabilityOptions& a, const AvailabilityOptions& b) {
  return a.objective == b.objective && a.stalled_after_ms == b.stalled_after_ms && a.longest_gap_ms == b.longest_gap_ms;
}

void add_availability(Point& point, const std::string& state, double seconds) {
  if (state == "up") point.up_seconds = seconds;
  if (state == "stalled") point.stalled_seconds = seconds;
  if (state == "down") point.down_seconds = seconds;
}

}  // namespace

Targets::Target Targets::make_target(const TargetConfig& config) const {
  Target target;
  target.config = config;
  target.interval = config.interval.value_or(config_.collection_interval);
  if (config.profile.find('/') != std::string::npos || config.profile.ends_with(".toml")) {
    target.profile_text = text_of(config.profile);
  }
  target.options = availability_options(config_.availability, target.interval);
  target.tracker = AvailabilityTracker(target.options);
  return target;
}

bool Targets::same_watch(const Target& a, const Target& b) {
  TargetConfig relabelled = a.config;
  relabelled.labels = b.config.labels;
  relabelled.audit = b.config.audit;
  return relabelled == b.config && a.interval == b.interval && a.profile_text == b.profile_text;
}

void Targets::configure(const Config& config) {
  const bool same_audits = config.audit_interval == config_.audit_interval;
  config_ = config;
  std::list<Target> wanted;
  for (const TargetConfig& target : config.targets) wanted.push_back(make_target(target));
  // What goes is let go of first: its processes may belong to one that comes.
  for (Target& old : targets_) {
    const auto same = [&](const Target& target) { return same_watch(target, old); };
    if (old.watched && std::none_of(wanted.begin(), wanted.end(), same)) detach(old);
  }
  for (Target& target : wanted) {
    const auto named = [&](const Target& old) { return old.config.name == target.config.name; };
    const auto old = std::find_if(targets_.begin(), targets_.end(), named);
    if (old != targets_.end()) {
      take_over(target, *old);
      if (same_audits && target.config.audit == old->config.audit) {
        target.auditor = std::move(old->auditor);
        target.audit_error = old->audit_error;
      } else if (target.watched) {
        audit(target);
      }
    }
    restore(target);
  }
  targets_ = std::move(wanted);
  watcher_.set_health(config.health.thresholds);
  watcher_.set_in_flight_after(config.in_flight_after);
  for (Target& target : targets_) {
    if (!target.watched && !target.gone) attach(target);
  }
}

// What was kept is not overwritten before it was read.
void Targets::restore(Target& target) {
  if (store_ == nullptr || target.restored) return;
  const auto kept = store_->get_state(state_key(target.config.name));
  if (!kept) {
    spdlog::debug("{}: its availability cannot be read yet: {}", target.config.name, kept.error().message);
    return;
  }
  target.restored = true;
  if (!*kept) return;
  const Status restored = target.tracker.restore(**kept);
  if (!restored) spdlog::warn("{}: its availability begins anew: {}", target.config.name, restored.error().message);
}

void Targets::take_over(Target& target, Target& old) {
  if (same_options(target.options, old.options)) {
    target.tracker = old.tracker;
  } else if (Status restored = target.tracker.restore(old.tracker.serialise()); !restored) {
    spdlog::warn("{}: its availability begins anew: {}", target.config.name, restored.error().message);
  }
  target.restored = old.restored;
  if (!same_watch(target, old)) return;
  target.watched = old.watched;
  target.gone = old.gone;
  if (target.gone) target.error = old.error;
  target.newest = std::move(old.newest);
}

// What is wrong with it stops nothing else.
void Targets::audit(Target& target) const {
  target.audit_error.clear();
  if (target.config.audit.empty()) return;
  Result<std::unique_ptr<Auditor>> auditor =
      Auditor::start(target.config.name, target.config.audit, config_.audit_interval);
  if (auditor) {
    target.auditor = std::move(*auditor);
    return;
  }
  target.audit_error = auditor.error().message;
  spdlog::error("{}: not audited: {}", target.config.name, target.audit_error);
}

void Targets::refuse(Target& target, const Error& error) {
  const std::string& reason = error.message;
  if (reason != target.error) spdlog::error("{}: not watched: {}", target.config.name, reason);
  target.error = reason;
  target.gone = target.config.by == TargetConfig::By::kPid && error.code == ESRCH;
  target.next_try = Clock::now() + target.pause;
  target.pause = std::min(2 * target.pause, kLongestPause);
}

void Targets::attach(Target& target) {
  Result<std::vector<Profile>> profiles = choose_profiles(target.config.profile);
  if (!profiles) return refuse(target, profiles.error());
  WatchTarget wanted;
  wanted.spec = target_spec(target.config);
  wanted.name = target.config.name;
  wanted.attach.profiles = std::move(*profiles);
  wanted.attach.generation = uprobe_generation();
  wanted.attach.allow_library_returns = target.config.allow_library_returns;
  wanted.attach.by = types_by(target.config.types_by);
  wanted.mode = mode_of(target.config.mode);
  wanted.max_overhead_percent = target.config.max_overhead_percent;
  wanted.interval = target.interval;
  wanted.health = config_.health.thresholds;
  wanted.query_text = query_text_of(target.config.query_text);
  wanted.statements = target.config.types == "statement";
  wanted.in_flight_after = config_.in_flight_after;
  const Result<std::uint32_t> added = watcher_.add(wanted);
  if (!added) return refuse(target, added.error());
  target.watched = *added;
  target.error.clear();
  target.pause = std::chrono::seconds(2);
  schedule_.add(*added, target.interval, Schedule::Now::read());
  audit(target);
}

void Targets::detach(Target& target) {
  schedule_.remove(*target.watched);
  watcher_.remove(*target.watched);
  target.watched.reset();
  target.auditor.reset();
  spdlog::info("{}: no longer watched", target.config.name);
}

void Targets::retry() {
  const auto now = Clock::now();
  for (Target& target : targets_) {
    if (!target.watched && !target.gone && target.next_try <= now) attach(target);
    if (!target.watched) continue;
    const WatchedState state = watcher_.state(*target.watched);
    if (!state.unsafe) continue;
    detach(target);
    refuse(target, Error{state.over});
  }
}

void Targets::read(const std::set<std::uint32_t>& due, bool last) {
  for (Target& target : targets_) target.fresh = false;
  observe_unwatched();
  const auto ours = [&](const Target& target) { return target.watched && due.contains(*target.watched); };
  if (!last && std::none_of(targets_.begin(), targets_.end(), ours)) return;
  std::vector<Reading> readings;
  const auto begin = Clock::now();
  const Status status = last ? watcher_.tick_all(readings, true) : watcher_.tick(due, readings);
  reading_error_ = status ? std::string() : status.error().message;
  const auto say = fault_.observe(!status, Clock::now());
  if (say == FaultNotice::Say::kBegan) {
    spdlog::error("this interval is left out, the next one covers it too: {}", status.error().message);
  }
  if (say == FaultNotice::Say::kEnded) spdlog::info("intervals are read again");
  for (Reading& reading : readings) {
    const auto found = std::find_if(targets_.begin(), targets_.end(),
                                    [&](const Target& target) { return target.watched == reading.target; });
    if (found != targets_.end()) note(*found, reading, begin);
  }
}

void Targets::note(Target& target, Reading& reading, Clock::time_point begin) {
  if (target.auditor) target.auditor->observe(reading.snapshot, begin, Clock::now());
  target.tracker.observe(observation_of(reading.snapshot, reading.running));
  reading.snapshot.availability = target.tracker.current(reading.snapshot.timestamp_ms);
  keep(target, reading);
  keep_queries(target, reading);
  target.newest = std::make_shared<const Snapshot>(std::move(reading.snapshot));
  target.fresh = true;
}

void Targets::keep(const Target& target, const Reading& reading) {
  if (store_ == nullptr) return;
  Point point = make_point(reading.snapshot, reading.interval, config_.store.tiers.front().step.count());
  // What happened in a longer gap is not known.
  if (point.seconds * 1000 <= static_cast<double>(target.options.longest_gap_ms)) {
    add_availability(point, reading.snapshot.availability->state, point.seconds);
  }
  TypeTexts texts;
  for (const auto& [name, type] : reading.snapshot.query_metrics.query_type_breakdown) {
    if (type.statement && point.types.contains(name)) texts.emplace(name, TypeText{type.statement, type.session});
  }
  store_->add(target.config.name, std::move(point), std::move(texts));
}

void Targets::keep_queries(const Target& target, Reading& reading) {
  queries_.add({.target = target.config.name,
                .time_ms = reading.snapshot.timestamp_ms,
                .slow = std::move(reading.slow),
                .in_flight = std::move(reading.in_flight)});
}

void Targets::observe_unwatched() {
  AvailabilityObservation seen;
  seen.now_ms = unix_ms();
  for (Target& target : targets_) {
    if (!target.watched) target.tracker.observe(seen);
  }
}

void Targets::add_snapshots(Report& report) const {
  for (const Target& target : targets_) {
    if (!target.newest) continue;
    report.snapshots.push_back(target.newest);
    report.fresh.push_back(target.fresh);
  }
}

std::vector<TargetState> Targets::states() const {
  const std::int64_t now = unix_ms();
  std::vector<TargetState> states;
  for (const Target& target : targets_) {
    TargetState state;
    state.name = target.config.name;
    state.found_by = key_of(target.config.by);
    state.value = target.config.value;
    state.labels = target.config.labels;
    state.interval_seconds = std::chrono::duration<double>(target.interval).count();
    state.attached = target.watched.has_value();
    state.error = target.error;
    state.availability = target.tracker.current(now);
    state.availability_objective = target.options.objective;
    if (target.auditor) state.audit = target.auditor->state();
    if (!target.audit_error.empty()) state.audit.emplace().error = target.audit_error;
    if (target.watched) {
      const WatchedState watched = watcher_.state(*target.watched);
      state.profile = watched.profile;
      state.build_id = watched.build_id;
      state.processes = watched.processes;
      state.handle_limit = watched.handle_limit;
      if (state.error.empty()) state.error = watched.over;
    }
    states.push_back(std::move(state));
  }
  return states;
}

void Targets::persist() {
  if (store_ == nullptr) return;
  for (Target& target : targets_) {
    restore(target);
    if (target.restored) store_->put_state(state_key(target.config.name), target.tracker.serialise());
  }
}

}  // namespace outrider
