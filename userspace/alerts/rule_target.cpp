#include "userspace/alerts/rule_target.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "userspace/alerts/rule_notice.h"
#include "userspace/model/incident_id.h"

namespace outrider {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// `none` for a type that is not there, and for the empty one, which stands for the target as a whole.
std::uint32_t find_type(const std::vector<std::string>& types, const std::string& type, std::uint32_t none) {
  if (type.empty()) return none;
  const auto found = std::lower_bound(types.begin(), types.end(), type);
  return found != types.end() && *found == type ? static_cast<std::uint32_t>(found - types.begin()) : none;
}

bool same_types(const std::vector<std::string>& types, const std::map<std::string, TypeMetrics>& breakdown) {
  return types.size() == breakdown.size() &&
         std::equal(types.begin(), types.end(), breakdown.begin(),
                    [](const std::string& type, const auto& entry) { return type == entry.first; });
}

// Where nobody looked, nothing is known, though some figures (a rate) keep what they were: it is neither a breach nor
// the end of one. What no probe counts is known in any mode.
bool was_watched(const RulePlan::Step& step, const Snapshot& snapshot) {
  if (step.probes == RulePlan::Probes::kNone) return true;
  const bool of_cache = step.probes == RulePlan::Probes::kCache;
  return snapshot.overhead.mode != "paused" &&
         (of_cache ? snapshot.cache_metrics.sampled_share : snapshot.overhead.sampled_share) > 0;
}

bool in_breach(const RulePlan::Step& step, double value, std::uint64_t queries) {
  if (step.absent) return std::isnan(value);
  return (step.above ? value > step.threshold : value < step.threshold) && queries >= step.least_queries;
}

std::int64_t interval_ms(const Snapshot& snapshot) { return std::llround(snapshot.interval_seconds * 1000); }

const TypeMetrics* metrics_of(const Snapshot& snapshot, const std::string& type) {
  const auto found = snapshot.query_metrics.query_type_breakdown.find(type);
  return found == snapshot.query_metrics.query_type_breakdown.end() ? nullptr : &found->second;
}

std::string cause_of(const Rule& rule, const Snapshot& snapshot, const std::string& type) {
  if (!rule.condition.field.ends_with("_response_time_seconds")) return "";
  if (type.empty()) return largest_wait(snapshot.query_metrics.waits);
  const TypeMetrics* metrics = metrics_of(snapshot, type);
  return metrics == nullptr ? "" : largest_wait(metrics->waits);
}

}  // namespace

void end_alert(const Rule& rule, const std::string& target, LiveAlert& live, std::int64_t now_ms,
               const std::string& why, std::vector<Notice>& notices) {
  const auto event = live.alert.end(rule, now_ms);
  if (!event) return;
  notices.push_back(rule_notice(rule, *event, target, live.type, live.value, why));
  notices.back().id = live.id;
}

TargetAlerts::TargetAlerts(std::string target, std::shared_ptr<const RulePlan> plan)
    : target_(std::move(target)), plan_(std::move(plan)) {
  for (std::size_t i = 0; i < plan_->rules.size(); ++i) {
    const auto& patterns = plan_->rules[i].targets;
    if (patterns.empty() || matches_any(patterns, target_)) rules_.push_back(static_cast<std::uint32_t>(i));
  }
  live_.resize(rules_.size());
  selected_.resize(plan_->selections.size());
  whole_.resize(plan_->fields.size());
  columns_.resize(plan_->type_fields.size());
}

void TargetAlerts::take_types(const Snapshot& snapshot) {
  const auto& breakdown = snapshot.query_metrics.query_type_breakdown;
  if (same_types(types_, breakdown)) return;
  types_.clear();
  types_.reserve(breakdown.size());
  for (const auto& [name, metrics] : breakdown) types_.push_back(name);
  for (std::size_t i = 0; i < selected_.size(); ++i) {
    selected_[i].clear();
    for (std::uint32_t type = 0; type < types_.size(); ++type) {
      if (!types_[type].empty() && matches_any(plan_->selections[i], types_[type])) selected_[i].push_back(type);
    }
  }
  each([&](const Rule&, LiveAlert& live) { live.type_index = find_type(types_, live.type, kNoType); });
}

void TargetAlerts::take_figures(const Snapshot& snapshot) {
  for (std::size_t i = 0; i < whole_.size(); ++i) whole_[i] = plan_->fields[i]->value(snapshot).value_or(kNone);
  queries_.clear();
  for (std::vector<double>& column : columns_) column.clear();
  for (const auto& [name, metrics] : snapshot.query_metrics.query_type_breakdown) {
    queries_.push_back(metrics.interval_count);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      columns_[i].push_back(plan_->type_fields[i]->value(metrics).value_or(kNone));
    }
  }
}

void TargetAlerts::judge(const Rule& rule, const RulePlan::Step& step, LiveAlert& live, const Snapshot& snapshot,
                         std::vector<Notice>& notices) const {
  live.seen_ms = snapshot.timestamp_ms;
  if (!was_watched(step, snapshot)) return;
  const double value = step.by_type ? columns_[step.column][live.type_index] : whole_[step.column];
  const std::uint64_t queries = step.by_type ? queries_[live.type_index] : snapshot.query_metrics.interval_queries;
  if (std::isnan(value)) {
    live.value.reset();
  } else {
    live.value = value;
  }
  const auto event = live.alert.observe(rule, {snapshot.timestamp_ms, live.value, queries, interval_ms(snapshot)});
  if (!event) return;
  if (event->what == AlertEvent::What::kFiring) {
    live.id = incident_id({rule.id, target_, live.type, std::to_string(event->since_ms)});
  }
  notices.push_back(rule_notice(rule, *event, target_, live.type, live.value, ""));
  notices.back().id = live.id;
  notices.back().cause = cause_of(rule, snapshot, live.type);
}

void TargetAlerts::follow(std::size_t index, const Snapshot& snapshot, std::vector<Notice>& notices) {
  const Rule& rule = rule_at(index);
  const RulePlan::Step& step = plan_->steps[rules_[index]];
  for (LiveAlert& live : live_[index]) {
    if (!step.by_type || live.type_index != kNoType) {
      judge(rule, step, live, snapshot, notices);
    } else if (snapshot.timestamp_ms - live.seen_ms > std::max(Alert::kLongestGapMs, 2 * interval_ms(snapshot))) {
      end_alert(rule, target_, live, snapshot.timestamp_ms, "the target has no such type any more", notices);
    }
  }
  std::erase_if(live_[index], [](const LiveAlert& live) { return live.alert.state() == Alert::State::kInactive; });
}

void TargetAlerts::begin(std::size_t index, std::uint32_t type, const Snapshot& snapshot,
                         std::vector<Notice>& notices) {
  std::vector<LiveAlert>& all = live_[index];
  const auto same = [type](const LiveAlert& live) { return live.type_index == type; };
  if (std::any_of(all.begin(), all.end(), same)) return;
  if (all.size() >= kMostAlerts) {
    ++untracked_;
    return;
  }
  LiveAlert live;
  live.type_index = type;
  if (type != kNoType) live.type = types_[type];
  judge(rule_at(index), plan_->steps[rules_[index]], live, snapshot, notices);
  if (live.alert.state() != Alert::State::kInactive) all.push_back(std::move(live));
}

void TargetAlerts::find_breaches(std::size_t index, const Snapshot& snapshot, std::vector<Notice>& notices) {
  const RulePlan::Step& step = plan_->steps[rules_[index]];
  if (!was_watched(step, snapshot)) return;
  if (!step.by_type) {
    if (in_breach(step, whole_[step.column], snapshot.query_metrics.interval_queries)) {
      begin(index, kNoType, snapshot, notices);
    }
    return;
  }
  const std::vector<double>& column = columns_[step.column];
  for (const std::uint32_t type : selected_[step.selection]) {
    if (in_breach(step, column[type], queries_[type])) begin(index, type, snapshot, notices);
  }
}

void TargetAlerts::observe(const Snapshot& snapshot, bool host, std::vector<Notice>& notices) {
  take_types(snapshot);
  take_figures(snapshot);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (!live_[i].empty()) follow(i, snapshot, notices);
    if (host || !plan_->steps[rules_[i]].of_host) find_breaches(i, snapshot, notices);
  }
}

void TargetAlerts::end(std::int64_t now_ms, const std::string& why, std::vector<Notice>& notices) {
  each([&](const Rule& rule, LiveAlert& live) { end_alert(rule, target_, live, now_ms, why, notices); });
  for (auto& all : live_) all.clear();
}

void TargetAlerts::end_host(std::int64_t now_ms, const std::string& why, std::vector<Notice>& notices) {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (!plan_->steps[rules_[i]].of_host) continue;
    for (LiveAlert& live : live_[i]) end_alert(rule_at(i), target_, live, now_ms, why, notices);
    live_[i].clear();
  }
}

bool TargetAlerts::adopt(const Rule& rule, LiveAlert& live) {
  const auto same = [&](std::uint32_t index) { return plan_->rules[index] == rule; };
  return std::any_of(rules_.begin(), rules_.end(), same) && adopt(rule.id, live);
}

bool TargetAlerts::adopt(const std::string& rule_id, LiveAlert& live) {
  const auto same = [&](std::uint32_t index) { return plan_->rules[index].id == rule_id; };
  const auto found = std::find_if(rules_.begin(), rules_.end(), same);
  if (found == rules_.end()) return false;
  const auto index = static_cast<std::size_t>(found - rules_.begin());
  const bool by_type = plan_->steps[*found].by_type;
  if (by_type == live.type.empty() || live_[index].size() >= kMostAlerts) return false;
  live.type_index = find_type(types_, live.type, kNoType);
  live_[index].push_back(std::move(live));
  return true;
}

}  // namespace outrider
