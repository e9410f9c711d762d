#include "userspace/alerts/rule_notice.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>

#include "userspace/alerts/rule_plan.h"
#include "userspace/base/quantity.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

std::string subject(const Rule& rule, const std::string& target, const std::string& type) {
  const std::string of = type.empty() ? "" : fmt::format(" of type {}", type);
  return fmt::format("{}{} on {}", rule.condition.field, of, target);
}

std::string threshold_of(const Rule& rule, double threshold) {
  return fmt::format("{} {}", rule.condition.above ? "above" : "below",
                     format_quantity(threshold, unit_of(rule.condition.field)));
}

std::string firing_text(const Rule& rule, const Notice& notice) {
  const std::string what = subject(rule, notice.target, notice.type);
  if (rule.absent) return fmt::format("{} cannot be had since {}", what, format_timestamp(notice.since_ms));
  return fmt::format("{} is {}, {} since {}", what,
                     format_quantity(notice.value.value_or(0), unit_of(rule.condition.field)),
                     threshold_of(rule, rule.threshold), format_timestamp(notice.since_ms));
}

std::string resolved_text(const Rule& rule, const Notice& notice, const std::string& why) {
  const std::string what = subject(rule, notice.target, notice.type);
  const std::string lasted = format_quantity(static_cast<double>(notice.at_ms - notice.since_ms) / 1000, "seconds");
  if (!why.empty()) return fmt::format("{} is not judged any more after {}: {}", what, lasted, why);
  if (rule.absent) return fmt::format("{} can be had again after {}", what, lasted);
  return fmt::format("{} is {}, no longer {}, after {}", what,
                     format_quantity(notice.value.value_or(0), unit_of(rule.condition.field)),
                     threshold_of(rule, rule.clear.value_or(rule.threshold)), lasted);
}

}  // namespace

std::string largest_wait(const std::optional<WaitSeconds>& waits) {
  if (!waits) return "";
  const double all = std::accumulate(waits->begin(), waits->end(), 0.0);
  if (!(all > 0)) return "";
  const auto largest = std::max_element(waits->begin(), waits->end());
  return fmt::format("{} takes {:.0f} % of the wall time", kWaitNames[largest - waits->begin()], 100 * *largest / all);
}

Notice rule_notice(const Rule& rule, const AlertEvent& event, const std::string& target, const std::string& type,
                   std::optional<double> value, const std::string& why) {
  Notice notice;
  const bool fires = event.what == AlertEvent::What::kFiring;
  notice.what = fires ? Notice::What::kFiring : Notice::What::kResolved;
  notice.name = rule.name;
  notice.rule_id = rule.id;
  notice.severity = rule.severity;
  notice.target = target;
  notice.type = type;
  notice.metric = rule.condition.field;
  notice.at_ms = event.at_ms;
  notice.since_ms = event.since_ms;
  notice.value = value;
  if (!rule.absent) notice.threshold = rule.threshold;
  notice.annotation = rule.annotation;
  notice.labels = rule.labels;
  notice.text = fires ? firing_text(rule, notice) : resolved_text(rule, notice, why);
  return notice;
}

}  // namespace outrider
