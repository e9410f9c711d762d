#include "userspace/alerts/rule_book.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/model/json_number.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kDamaged = "the kept state of the rules is damaged; what was in it begins anew";

/// What is kept of a rule is what the end of an alert needs when the rule is not there any more.
Json rule_json(const Rule& rule) {
  return {{"id", rule.id},
          {"name", rule.name},
          {"metric", rule.condition.field},
          {"above", rule.condition.above},
          {"threshold", rule.threshold},
          {"absent", rule.absent},
          {"severity", name_of(rule.severity)},
          {"labels", rule.labels},
          {"annotation", rule.annotation}};
}

Rule rule_of(const Json& json) {
  Rule rule;
  rule.id = json.at("id").get<std::string>();
  rule.name = json.at("name").get<std::string>();
  rule.condition.name = rule.condition.field = json.at("metric").get<std::string>();
  rule.condition.above = json.at("above").get<bool>();
  rule.threshold = json.at("threshold").get<double>();
  rule.absent = json.at("absent").get<bool>();
  rule.severity = severity_of(json.at("severity").get<std::string>()).value_or(Severity::kWarning);
  rule.labels = json.at("labels").get<std::map<std::string, std::string>>();
  rule.annotation = json.at("annotation").get<std::string>();
  return rule;
}

LiveAlert live_of(const Json& json) {
  LiveAlert live;
  live.type = json.at("type").get<std::string>();
  live.id = json.at("incident").get<std::string>();
  live.seen_ms = kept_ms(json.at("seen_ms"));
  if (!json.at("value").is_null()) live.value = json.at("value").get<double>();
  return live;
}

}  // namespace

TargetAlerts& RuleBook::at(const std::string& target) {
  return targets_.try_emplace(target, target, plan_).first->second;
}

void RuleBook::set_rules(std::vector<Rule> rules, std::int64_t now_ms, std::vector<Notice>& notices) {
  plan_ = std::make_shared<const RulePlan>(make_rule_plan(std::move(rules)));
  for (auto& [name, alerts] : targets_) {
    TargetAlerts next(name, plan_);
    alerts.each([&, target = name](const Rule& rule, LiveAlert& live) {
      if (next.adopt(rule, live)) return;
      end_alert(rule, target, live, now_ms, "its rule was changed or taken away", notices);
    });
    untracked_before_ += alerts.untracked();
    alerts = std::move(next);
  }
}

bool RuleBook::is_judged_as(const Rule& kept) const {
  return std::any_of(plan_->rules.begin(), plan_->rules.end(), [&](const Rule& rule) {
    return rule.id == kept.id && rule.condition.field == kept.condition.field &&
           rule.condition.above == kept.condition.above && rule.threshold == kept.threshold &&
           rule.absent == kept.absent;
  });
}

void RuleBook::observe(const Snapshot& snapshot, std::vector<Notice>& notices, bool host) {
  if (!snapshot.summary) at(snapshot.target).observe(snapshot, host, notices);
}

void RuleBook::end_target(const std::string& target, std::int64_t now_ms, const std::string& why,
                          std::vector<Notice>& notices) {
  const auto found = targets_.find(target);
  if (found == targets_.end()) return;
  found->second.end(now_ms, why, notices);
  untracked_before_ += found->second.untracked();
  targets_.erase(found);
}

void RuleBook::end_host(const std::string& but, std::int64_t now_ms, const std::string& why,
                        std::vector<Notice>& notices) {
  for (auto& [name, alerts] : targets_) {
    if (name != but) alerts.end_host(now_ms, why, notices);
  }
}

std::vector<ActiveAlert> RuleBook::active() const {
  std::vector<ActiveAlert> all;
  for (const auto& [name, alerts] : targets_) {
    alerts.each([&, target = name](const Rule& rule, const LiveAlert& live) {
      ActiveAlert one{live.id,
                      rule.id,
                      rule.name,
                      rule.severity,
                      target,
                      live.type,
                      rule.condition.field,
                      live.alert.state(),
                      live.alert.since_ms(),
                      live.value,
                      std::nullopt};
      if (!rule.absent) one.threshold = rule.threshold;
      all.push_back(std::move(one));
    });
  }
  return all;
}

std::vector<std::string> RuleBook::targets() const {
  std::vector<std::string> names;
  names.reserve(targets_.size());
  for (const auto& [name, alerts] : targets_) names.push_back(name);
  return names;
}

std::uint64_t RuleBook::untracked() const {
  std::uint64_t sum = untracked_before_;
  for (const auto& [name, alerts] : targets_) sum += alerts.untracked();
  return sum;
}

std::string RuleBook::serialise() const {
  Json all = Json::array();
  for (const auto& [name, alerts] : targets_) {
    alerts.each([&, target = name](const Rule& rule, const LiveAlert& live) {
      all.push_back({{"rule", rule_json(rule)},
                     {"target", target},
                     {"type", live.type},
                     {"incident", live.id},
                     {"seen_ms", live.seen_ms},
                     {"value", live.value ? Json(*live.value) : Json(nullptr)},
                     {"alert", Json::parse(live.alert.serialise())}});
    });
  }
  // A name may be any bytes; one that is no UTF-8 is kept with replacements and then begins anew.
  return Json{{"version", 1}, {"alerts", std::move(all)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Status RuleBook::restore(std::string_view text, std::int64_t now_ms, std::vector<Notice>& notices) {
  try {
    const Json kept = Json::parse(text);
    if (whole_number<int>(kept.at("version")) != 1) return Error{kDamaged};
    for (const Json& entry : kept.at("alerts")) {
      const Rule rule = rule_of(entry.at("rule"));
      const std::string target = entry.at("target").get<std::string>();
      LiveAlert live = live_of(entry);
      if (Status status = live.alert.restore(entry.at("alert").dump()); !status) return status;
      if (live.alert.state() == Alert::State::kInactive) continue;
      // A clock that runs is of the condition that it was started for.
      const bool adoptable = live.alert.state() == Alert::State::kFiring || is_judged_as(rule);
      if (adoptable && at(target).adopt(rule.id, live)) continue;
      end_alert(rule, target, live, now_ms, "its rule was changed or taken away", notices);
    }
  } catch (const Json::exception&) {
    return Error{kDamaged};
  }
  return Ok{};
}

}  // namespace outrider
