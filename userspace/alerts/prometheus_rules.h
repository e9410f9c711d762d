// Rules as Prometheus's alerting rules over the metrics of /metrics. Pure, thread-safe.
#pragma once

#include <string>
#include <vector>

#include "userspace/model/rule.h"

namespace outrider {

struct PrometheusRules {
  std::string yaml;                   ///< a rules file; what was left out is in it as a comment
  std::vector<std::string> left_out;  ///< one sentence a rule that no metric can express
};

/// `prefix`: namespace of the metrics' names.
PrometheusRules prometheus_rules(const std::vector<Rule>& rules, const std::string& prefix);

}  // namespace outrider
