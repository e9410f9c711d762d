// Snapshots as Prometheus metrics: families for prometheus-cpp and its text format. Pure functions, thread-safe.
#pragma once

#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <vector>

#include "userspace/model/report.h"
#include "userspace/model/snapshot.h"

namespace outrider {

struct PrometheusOptions {
  std::string prefix = "llmkg";  ///< namespace of all names; [a-zA-Z_][a-zA-Z0-9_]*
  bool fine_buckets = false;     ///< every used histogram bucket, not 40 fixed `le` bounds
  /// More labels by target; names must be valid, and those that use_of_label knows are left out.
  std::map<std::string, std::map<std::string, std::string>> target_labels = {};
};

/// One family a metric, whatever the number of targets; the newest snapshot of each target is expected, and two
/// targets of one name get "#2" and so on. Figures that are null have no sample, and a family without samples is
/// left out. Counters are totals since attach.
std::vector<prometheus::MetricFamily> prometheus_families(const std::vector<Snapshot>& snapshots,
                                                          const PrometheusOptions& options = {});

/// The same for the snapshots of a report, the availability of targets that have none, and the agent's own figures.
std::vector<prometheus::MetricFamily> prometheus_families(const Report& report, const PrometheusOptions& options = {});

/// The same in the text exposition format 0.0.4, without timestamps.
std::string prometheus_text(const std::vector<Snapshot>& snapshots, const PrometheusOptions& options = {});
std::string prometheus_text(const Report& report, const PrometheusOptions& options = {});

}  // namespace outrider
