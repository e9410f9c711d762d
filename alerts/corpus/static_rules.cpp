#include "alerts/corpus/static_rules.h"

namespace outrider {

// One sample within the limit, or without the figure, ends a breach.
void StaticRules::observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) {
  for (Rule& rule : rules_) {
    const std::optional<double>& figure = sample.*rule.figure;
    std::optional<Finding> finding;
    if (!figure || *figure <= rule.limit) {
      rule.since_ms.reset();
    } else {
      if (!rule.since_ms) rule.since_ms = sample.time_ms;
      if (sample.time_ms - *rule.since_ms >= rule.for_ms) {
        finding = Finding{*figure, rule.limit, *figure / rule.limit, *rule.since_ms};
      }
    }
    rule.incident.update(sample.time_ms, finding, events);
  }
}

}  // namespace outrider
