// The families of prometheus_text.h in the OpenMetrics 1.0 text format, and the choice between the two formats by the
// Accept header of a request. Pure functions, thread-safe.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

#include "userspace/export/prometheus_text.h"

namespace outrider {

inline constexpr std::string_view kOpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";
inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

/// Families with their metadata in front; a counter's family loses the `_total` that its samples keep; `# UNIT` where
/// the family's name ends in a base unit (seconds, bytes); `# EOF` at the end. Counters, gauges and histograms only.
std::string openmetrics_text(const std::vector<prometheus::MetricFamily>& families);
std::string openmetrics_text(const std::vector<Snapshot>& snapshots, const PrometheusOptions& options = {});
std::string openmetrics_text(const Report& report, const PrometheusOptions& options = {});

/// Whether a client that sends this Accept header wants OpenMetrics: it names `application/openmetrics-text` in a
/// version 1.0.0 or 0.0.1 (or none), and gives it no smaller weight than `text/plain`. "*/*" is not enough.
bool accepts_openmetrics(std::string_view accept);

}  // namespace outrider
