#include "userspace/alerts/rule_plan.h"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

namespace outrider {
namespace {

/// Where `item` is in `list`, behind which it is put if it is not there yet.
template <typename T>
std::uint32_t index_of(std::vector<T>& list, const T& item) {
  const auto found = std::find(list.begin(), list.end(), item);
  const auto index = static_cast<std::uint32_t>(found - list.begin());
  if (found == list.end()) list.push_back(item);
  return index;
}

// The health score is made of query figures too: where there are none, it knows too little to be judged.
RulePlan::Probes probes_of(const std::string& field) {
  if (field.starts_with("cache_metrics.")) return RulePlan::Probes::kCache;
  const bool of_queries = field.starts_with("query_metrics.") || field.starts_with("waits.") || field == "health_score";
  return of_queries ? RulePlan::Probes::kQuery : RulePlan::Probes::kNone;
}

}  // namespace

bool matches_any(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return pattern == "*" || fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

std::string_view unit_of(const std::string& field) {
  const SnapshotField* known = find_snapshot_field(field);
  return known == nullptr ? std::string_view() : std::string_view(known->unit);
}

RulePlan make_rule_plan(std::vector<Rule> rules) {
  RulePlan plan;
  plan.rules.reserve(rules.size());
  plan.steps.reserve(rules.size());
  for (Rule& rule : rules) {
    RulePlan::Step step;
    step.threshold = rule.threshold;
    step.least_queries = rule.least_queries;
    step.above = rule.condition.above;
    step.absent = rule.absent;
    step.by_type = !rule.types.empty();
    step.probes = probes_of(rule.condition.field);
    step.of_host = rule.targets.empty() && rule.condition.field.starts_with("system_metrics.");
    const SnapshotField* field = find_snapshot_field(rule.condition.field);
    const TypeField* type_field = find_type_field(rule.condition.field);
    if (step.by_type ? type_field == nullptr : field == nullptr) continue;
    step.column = step.by_type ? index_of(plan.type_fields, type_field) : index_of(plan.fields, field);
    if (step.by_type) step.selection = index_of(plan.selections, rule.types);
    plan.steps.push_back(step);
    plan.rules.push_back(std::move(rule));
  }
  return plan;
}

}  // namespace outrider
