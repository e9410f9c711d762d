#include "userspace/service/judge.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/model/notice_json.h"

namespace outrider {
namespace {

// What is normal changes slowly; what goes on is kept at once when it begins or ends.
constexpr std::chrono::seconds kPersistEvery{10};
constexpr std::chrono::seconds kPersistMonitorsEvery{60};
constexpr std::size_t kRecent = 200;
// A store that cannot be read yet may be a moment later; alerting cannot wait for ever.
constexpr int kAttempts = 5;

constexpr const char* kDown = "down";
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
  settings.monitors.detector = config.enable_anomaly_detection ? config.alerts.detector : "none";
  settings.monitors.success_objective = config.availability.objective;
  settings.monitors.stalled_after_ms = config.availability.stalled_after.count();
  if (config.availability.latency_objective.count() > 0) {
    const std::chrono::duration<double> objective = config.availability.latency_objective;
    settings.monitors.latency = LatencyObjective{objective.count(), config.availability.latency_share};
  }
  for (const TargetConfig& target : config.targets) settings.labels[target.name] = target.labels;
  if (!config.targets.empty()) settings.host_target = config.targets.front().name;
  return settings;
}

Judge::Judge(const Config& config, Store* store, std::shared_ptr<AlertBoard> board)
    : settings_(settings_of(config)),
      store_(store),
      board_(std::move(board)),
      silences_(settings_.alerts.silences),
      channels_(store) {}

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
  channels_.configure(settings_.alerts.channels);
  silences_ = SilenceFile(settings_.alerts.silences);
  book_.set_rules(settings_.alerts.rules, now_ms, found_);
  if (applied_monitors_ && *applied_monitors_ != settings_.monitors) {
    for (auto& [target, monitor] : monitors_) monitor->end(now_ms, "detection was set up anew", found_);
    monitors_.clear();
  }
  applied_monitors_ = settings_.monitors;
}

TargetMonitor* Judge::monitor_of(const std::string& target) {
  const auto known = monitors_.find(target);
  if (known != monitors_.end()) return known->second.get();
  MonitorOptions options = settings_.monitors;
  options.host = target == settings_.host_target;
  Result<std::unique_ptr<TargetMonitor>> made = TargetMonitor::make(target, options);
  if (!made) return nullptr;  // the configuration names only detectors that there are
  TargetMonitor* const monitor = monitors_.emplace(target, std::move(*made)).first->second.get();
  if (store_ == nullptr) return monitor;
  const auto kept = store_->get_state(monitor_key(target));
  if (!kept || !*kept || (*kept)->empty()) return monitor;
  if (Status restored = monitor->restore(**kept); !restored) {
    spdlog::warn("{}: what is normal is learned anew: {}", target, restored.error().message);
  }
  return monitor;
}

// One that is down is not also slow, failing or quiet: its alerts are over, and that it is down is told.
void Judge::observe_state(const TargetState& target, std::int64_t now_ms) {
  if (TargetMonitor* monitor = monitor_of(target.name)) {
    monitor->observe_state(target.availability.state, now_ms, found_);
  }
  if (target.availability.state == kDown) book_.end_target(target.name, now_ms, "the target is down", found_);
}

void Judge::observe(const Report& report) {
  std::map<std::string, const TargetState*> up;
  for (const TargetState& target : report.agent->targets) {
    observe_state(target, report.time_ms);
    if (target.availability.state != kDown) up.emplace(target.name, &target);
  }
  for (std::size_t i = 0; i < report.snapshots.size(); ++i) {
    const Snapshot& snapshot = *report.snapshots[i];
    const auto target = up.find(snapshot.target);
    if (!report.is_fresh(i) || target == up.end()) continue;
    book_.observe(snapshot, found_);
    if (TargetMonitor* monitor = monitor_of(snapshot.target)) {
      monitor->observe(snapshot, {target->second->build_id, target->second->handle_limit}, found_);
    }
  }
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
}

void Judge::tell(std::int64_t now_ms) {
  if (Status read = silences_.refresh(); !read) spdlog::error("silences stay as they were: {}", read.error().message);
  gate_.set_silences(silences_.silences());
  told_.clear();
  gate_.pass(found_, now_ms, told_);
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
  for (AlertLine& line : status->alerts) line.held = gate_.holds(line.notice.id);
  status->recent = recent_;
  status->channels = channels_.counters();
  status->told = told_total_;
  status->untracked_breaches = book_.untracked();
  board_->publish(std::move(status));
}

void Judge::persist_monitors() {
  for (const auto& [target, monitor] : monitors_) store_->put_state(monitor_key(target), monitor->serialise());
}

void Judge::persist_rest() {
  store_->put_state(kRulesKey, book_.serialise());
  store_->put_state(kGateKey, gate_.serialise());
  store_->put_state(kRecentKey, serialise(*recent_));
  channels_.persist();
}

// What begins, ends or becomes pending is kept at once, so that a kill loses at most what the store's own batch does.
void Judge::persist_if_due() {
  if (store_ == nullptr) return;
  const auto now = Clock::now();
  const std::size_t alerts = book_.active().size();
  const bool news = !found_.empty() || !told_.empty() || alerts != kept_alerts_;
  if (news || now >= next_persist_) {
    kept_alerts_ = alerts;
    next_persist_ = now + kPersistEvery;
    persist_rest();
  }
  if (!found_.empty() || now >= next_monitors_persist_) {
    next_monitors_persist_ = now + kPersistMonitorsEvery;
    persist_monitors();
  }
}

// The rule's own labels win.
void Judge::label() {
  for (Notice& notice : found_) {
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
  label();
  tell(report.time_ms);
  publish();
  persist_if_due();
  return begun;
}

Status Judge::finish() {
  if (!begun_) return Ok{};
  if (store_ != nullptr) {
    persist_monitors();
    persist_rest();
  }
  channels_.stop(Clock::time_point(Clock::duration(deadline_.load())));
  return Ok{};
}

}  // namespace outrider
