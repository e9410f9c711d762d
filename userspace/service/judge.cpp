#include "userspace/service/judge.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/detect/statement_words.h"
#include "userspace/model/notice_json.h"

namespace outrider {
namespace {

constexpr std::chrono::seconds kPersistEvery{30};
constexpr std::size_t kRecent = 200;
// A store that cannot be read yet may be a moment later; alerting cannot wait for ever.
constexpr int kAttempts = 5;

// A shorter piece of an interval is not judged by rules.
constexpr double kLeastOfInterval = 0.5;

constexpr const char* kDown = "down";
constexpr std::int64_t kLeastSilenceMs = 60'000;
constexpr const char* kRulesKey = "alerts.rules";
constexpr const char* kGateKey = "alerts.gate";
constexpr const char* kRecentKey = "alerts.recent";

std::string monitor_key(const std::string& target) { return "alerts.monitor." + target; }

std::string serialise(const std::vector<Notice>& notices) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Notice& notice : notices) all.push_back(to_json(notice));
  return all.dump();
}

std::vector<Notice> restore_notices(const std::string& text) {
  std::vector<Notice> notices;
  const auto all = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!all.is_array()) return notices;
  for (const auto& one : all) {
    if (auto notice = notice_from_json(one)) notices.push_back(std::move(*notice));
  }
  return notices;
}

// An older snapshot says nothing of what is now.
std::int64_t longest_silence_ms(const TargetState& target) {
  return std::max(kLeastSilenceMs, static_cast<std::int64_t>(3'000 * target.interval_seconds));
}

AlertLine line_of(const ActiveAlert& alert) {
  AlertLine line;
  line.pending = alert.state == Alert::State::kPending;
  line.notice.id = alert.id;
  line.notice.name = alert.rule;
  line.notice.rule_id = alert.rule_id;
  line.notice.severity = alert.severity;
  line.notice.target = alert.target;
  line.notice.type = alert.type;
  line.notice.metric = alert.metric;
  line.notice.since_ms = alert.since_ms;
  line.notice.value = alert.value;
  line.notice.threshold = alert.threshold;
  return line;
}

}  // namespace

Judge::Settings Judge::settings_of(const Config& config) {
  Settings settings;
  settings.alerts = config.alerts;
  settings.channels = with_secrets(config.alerts.channels);
  settings.monitors.detector = config.enable_anomaly_detection ? config.alerts.detector : "none";
  settings.monitors.success_objective = config.availability.objective;
  settings.monitors.stalled_after_ms = config.availability.stalled_after.count();
  if (config.availability.latency_objective.count() > 0) {
    const std::chrono::duration<double> objective = config.availability.latency_objective;
    settings.monitors.latency = LatencyObjective{objective.count(), config.availability.latency_share};
  }
  for (const TargetConfig& target : config.targets) settings.labels[target.name] = target.labels;
  return settings;
}

Judge::Judge(const Config& config, std::shared_ptr<Store> store, std::shared_ptr<AlertBoard> board)
    : settings_(settings_of(config)),
      store_(std::move(store)),
      board_(std::move(board)),
      silences_(settings_.alerts.silences),
      channels_(store_.get()) {}

void Judge::become(Sink& fresh) {
  settings_ = std::move(dynamic_cast<Judge&>(fresh).settings_);
  changed_ = true;
}

// What was kept is not overwritten before it was read.
Status Judge::begin(std::int64_t now_ms) {
  book_.set_rules(settings_.alerts.rules, now_ms, found_);
  begun_ = true;
  if (store_ == nullptr) return Ok{};
  const auto rules = store_->get_state(kRulesKey);
  const auto gate = store_->get_state(kGateKey);
  const auto recent = store_->get_state(kRecentKey);
  for (const auto* kept : {&rules, &gate, &recent}) {
    if (*kept) continue;
    begun_ = ++attempts_ >= kAttempts;
    return Error{"what was pending or firing cannot be read from the history file: " + kept->error().message};
  }
  recent_ = std::make_shared<std::vector<Notice>>(restore_notices(recent->value_or("")));
  Status restored = Ok{};
  if (const auto& text = *gate; text && !text->empty()) restored = gate_.restore(*text);
  if (const auto& text = *rules; text && !text->empty()) {
    if (Status status = book_.restore(*text, now_ms, found_); !status) restored = status;
  }
  return restored;
}

void Judge::apply(std::int64_t now_ms) {
  changed_ = false;
  silences_ = SilenceFile(settings_.alerts.silences);
  take_silences(now_ms);
  channels_.configure(settings_.channels, {gate_.told(), silenced_});
  book_.set_rules(settings_.alerts.rules, now_ms, found_);
  if (applied_monitors_ && *applied_monitors_ != settings_.monitors) {
    for (auto& [target, monitor] : monitors_) monitor = made_anew(target, std::move(monitor), now_ms);
  }
  applied_monitors_ = settings_.monitors;
}

// With other objectives it goes on with what it knows; another detector knows nothing.
std::unique_ptr<TargetMonitor> Judge::made_anew(const std::string& target, std::unique_ptr<TargetMonitor> old,
                                                std::int64_t now_ms) {
  Result<std::unique_ptr<TargetMonitor>> made = TargetMonitor::make(target, settings_.monitors);
  if (!made) return old;  // the configuration names only detectors that there are
  if (!(*made)->restore(old->serialise())) old->end(now_ms, "detection was set up anew", found_);
  return *std::move(made);
}

TargetMonitor* Judge::monitor_of(const std::string& target) {
  const auto known = monitors_.find(target);
  if (known != monitors_.end()) return known->second.get();
  Result<std::unique_ptr<TargetMonitor>> made = TargetMonitor::make(target, settings_.monitors);
  if (!made) return nullptr;  // the configuration names only detectors that there are
  if (store_ != nullptr) {
    const auto kept = store_->get_state(monitor_key(target));
    if (!kept && ++attempts_ < kAttempts) return nullptr;
    const Status restored = !kept ? Status(kept.error()) : kept->value_or("").empty() ? Ok{} : (*made)->restore(**kept);
    if (!restored) spdlog::warn("{}: what is normal is learned anew: {}", target, restored.error().message);
  }
  return monitors_.emplace(target, std::move(*made)).first->second.get();
}

// One that is down is not also slow, failing or quiet: its alerts are over, and that it is down is told.
void Judge::observe_state(const TargetState& target, std::int64_t now_ms) {
  if (TargetMonitor* monitor = monitor_of(target.name)) {
    monitor->observe_state(target.availability.state, now_ms, found_);
  }
  if (target.availability.state == kDown) book_.end_target(target.name, now_ms, "the target is down", found_);
}

// One that was just begun with, by an agent that was just started, is not silent yet.
bool Judge::is_silent(const TargetState& target, std::int64_t now_ms) {
  std::int64_t& heard = heard_ms_.try_emplace(target.name, now_ms).first->second;
  heard = std::min(heard, now_ms);
  return now_ms - heard > longest_silence_ms(target);
}

// One fault of the host is one alert: the first target that is up speaks for it until it is not up any more, and what
// others have found ends then.
void Judge::choose_speaker(const Report& report) {
  const auto& targets = report.agent->targets;
  const auto can_speak = [&](const TargetState& target) {
    return target.attached && target.availability.state != kDown && !is_silent(target, report.time_ms);
  };
  const auto speaks = [&](const TargetState& target) { return target.name == speaker_ && can_speak(target); };
  if (std::any_of(targets.begin(), targets.end(), speaks)) return;
  const auto next = std::find_if(targets.begin(), targets.end(), can_speak);
  if (next == targets.end() || next->name == speaker_) return;
  speaker_ = next->name;
  for (auto& [name, monitor] : monitors_) monitor->watch_host(name == speaker_, report.time_ms, found_);
  book_.end_host(speaker_, report.time_ms, "another target tells of the host now", found_);
}

void Judge::observe(const Report& report) {
  std::map<std::string, const TargetState*> up;
  for (const TargetState& target : report.agent->targets) {
    observe_state(target, report.time_ms);
    if (target.availability.state != kDown) up.emplace(target.name, &target);
  }
  choose_speaker(report);
  for (std::size_t i = 0; i < report.snapshots.size(); ++i) {
    const Snapshot& snapshot = *report.snapshots[i];
    const auto target = up.find(snapshot.target);
    if (target == up.end()) continue;
    if (report.is_fresh(i)) heard_ms_[snapshot.target] = report.time_ms;
    if (is_silent(*target->second, report.time_ms)) continue;
    if (report.is_fresh(i)) observe(snapshot, *target->second);
    up.erase(target);
  }
  for (const auto& [name, target] : up) {
    if (is_silent(*target, report.time_ms)) observe_silent(*target, report.time_ms);
  }
}

// What is left of an interval when the agent ends, or what of one it has when it begins, may hold too few queries to
// say anything, and that would begin every clock anew.
void Judge::observe(const Snapshot& snapshot, const TargetState& target) {
  const bool host = snapshot.target == speaker_;
  if (snapshot.interval_seconds >= kLeastOfInterval * target.interval_seconds) book_.observe(snapshot, found_, host);
  TargetMonitor* const monitor = monitor_of(snapshot.target);
  if (monitor == nullptr) return;
  monitor->watch_host(host, snapshot.timestamp_ms, found_);
  monitor->observe(snapshot, {target.build_id, target.handle_limit}, found_);
}

// It is not known to be down, and there is no figure of it: what rules on missing figures are for.
void Judge::observe_silent(const TargetState& target, std::int64_t now_ms) {
  Snapshot nothing;
  nothing.timestamp_ms = now_ms;
  nothing.target = target.name;
  nothing.interval_seconds = target.interval_seconds;
  nothing.query_metrics.queries_per_second = nothing.health_score = std::nan("");
  book_.observe(nothing, found_, false);
}

void Judge::forget_targets(const AgentFigures& agent, std::int64_t now_ms) {
  static constexpr const char* kWhy = "the target is no longer watched";
  const auto is_watched = [&](const std::string& name) {
    return std::any_of(agent.targets.begin(), agent.targets.end(),
                       [&](const TargetState& target) { return target.name == name; });
  };
  for (const std::string& target : book_.targets()) {
    if (!is_watched(target)) book_.end_target(target, now_ms, kWhy, found_);
  }
  for (auto monitor = monitors_.begin(); monitor != monitors_.end();) {
    if (is_watched(monitor->first)) {
      ++monitor;
      continue;
    }
    monitor->second->end(now_ms, kWhy, found_);
    if (store_ != nullptr) store_->put_state(monitor_key(monitor->first), "");
    monitor = monitors_.erase(monitor);
  }
  std::erase_if(heard_ms_, [&](const auto& heard) { return !is_watched(heard.first); });
}

void Judge::take_silences(std::int64_t now_ms) {
  if (Status read = silences_.refresh(); !read) spdlog::error("silences stay as they were: {}", read.error().message);
  gate_.set_silences(silences_.silences());
  hold_silenced(now_ms);
}

void Judge::hold_silenced(std::int64_t now_ms) {
  std::set<std::string> silenced = gate_.silenced(now_ms);
  if (silenced == silenced_) return;
  silenced_ = std::move(silenced);
  channels_.hold(silenced_);
}

void Judge::tell(std::int64_t now_ms) {
  take_silences(now_ms);
  told_.clear();
  gate_.pass(found_, now_ms, told_);
  hold_silenced(now_ms);
  for (const Notice& notice : told_) channels_.add(notice);
  told_total_ += told_.size();
  if (found_.empty()) return;
  auto recent = std::make_shared<std::vector<Notice>>(found_.rbegin(), found_.rend());
  recent->insert(recent->end(), recent_->begin(), recent_->end());
  if (recent->size() > kRecent) recent->resize(kRecent);
  recent_ = std::move(recent);
}

void Judge::publish() {
  auto status = std::make_shared<AlertStatus>();
  for (const ActiveAlert& alert : book_.active()) status->alerts.push_back(line_of(alert));
  for (const auto& [target, monitor] : monitors_) {
    for (Notice& notice : monitor->active()) status->alerts.push_back({std::move(notice)});
    status->detector_bytes += monitor->state_bytes();
  }
  for (AlertLine& line : status->alerts) {
    line.held = gate_.holds(line.notice.id) || silenced_.contains(line.notice.id);
  }
  status->recent = recent_;
  status->channels = channels_.counters();
  status->told = told_total_;
  status->untracked_breaches = book_.untracked();
  board_->publish(std::move(status));
}

// All that has to do with alerts is written together: a part that knows of an incident must not come without the
// others.
void Judge::persist(bool monitors) {
  std::map<std::string, std::string> states;
  if (monitors) {
    for (const auto& [target, monitor] : monitors_) states[monitor_key(target)] = monitor->serialise();
  }
  states[kRulesKey] = book_.serialise();
  states[kGateKey] = gate_.serialise();
  states[kRecentKey] = serialise(*recent_);
  channels_.add_state(states);
  store_->put_states(states);
}

// What begins, ends, becomes pending or is delivered is kept at once, so that a kill loses at most what the store's own
// batch does.
void Judge::persist_if_due() {
  if (store_ == nullptr) return;
  Counts counts;
  counts.alerts = book_.active().size();
  for (const ChannelCounters& channel : channels_.counters()) counts.delivered += channel.sent + channel.dropped;
  const bool due = Clock::now() >= next_persist_;
  if (!due && found_.empty() && told_.empty() && counts == kept_) return;
  kept_ = counts;
  if (due) next_persist_ = Clock::now() + kPersistEvery;
  persist(due || !found_.empty());
}

// An incident whose finder is gone would be said again for ever.
void Judge::end_orphans(std::int64_t now_ms) {
  std::set<std::string> going_on;
  for (const ActiveAlert& alert : book_.active()) going_on.insert(alert.id);
  for (const auto& [target, monitor] : monitors_) {
    for (const Notice& notice : monitor->active()) going_on.insert(notice.id);
  }
  const std::size_t before = found_.size();
  gate_.end_orphans(going_on, now_ms, found_);
  if (store_ == nullptr) return;
  // A target that comes back with what was open when it went would not be told of that again.
  for (std::size_t i = before; i < found_.size(); ++i) {
    if (!monitors_.contains(found_[i].target)) store_->put_state(monitor_key(found_[i].target), "");
  }
}

// The rule's own labels win. The name of a statement tells nobody what it is.
void Judge::label(const Report& report) {
  for (Notice& notice : found_) {
    for (const auto& snapshot : report.snapshots) {
      if (snapshot->target == notice.target) notice.text += describe_statements(snapshot->query_metrics, notice.text);
    }
    const auto labels = settings_.labels.find(notice.target);
    if (labels != settings_.labels.end()) notice.labels.insert(labels->second.begin(), labels->second.end());
  }
}

Status Judge::write(const Report& report) {
  found_.clear();
  Status begun = Ok{};
  if (!begun_) {
    begun = begin(report.time_ms);
    if (!begun_) return begun;
  }
  if (changed_) apply(report.time_ms);
  observe(report);
  forget_targets(*report.agent, report.time_ms);
  // One whose monitor could not be restored yet has incidents that nobody names.
  if (monitors_.size() == report.agent->targets.size()) end_orphans(report.time_ms);
  label(report);
  tell(report.time_ms);
  publish();
  persist_if_due();
  return begun;
}

Status Judge::finish() {
  if (!begun_) return Ok{};
  if (store_ != nullptr) persist(true);
  channels_.stop(Clock::time_point(Clock::duration(deadline_.load())));
  if (store_ != nullptr) persist(true);
  return Ok{};
}

}  // namespace outrider
