// What many run today, to compare detectors with: fixed limits with a duration, as alerting rules of Prometheus have
// them. Mean latency above 100 ms for 30 s, p95 above 250 ms for 30 s, failed queries above 5 % for 60 s, CPU above
// 80 % for 120 s. Not thread-safe.
#pragma once

#include <array>
#include <vector>

#include "userspace/detect/detector.h"
#include "userspace/detect/incident.h"

namespace outrider {

class StaticRules : public Detector {
 public:
  void observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) override;

  // A bench does not restart.
  [[nodiscard]] std::string serialise() const override { return "[]"; }
  Status restore(std::string_view /*text*/) override { return Ok{}; }
  [[nodiscard]] std::size_t state_bytes() const override { return sizeof *this; }

 private:
  struct Rule {
    std::optional<double> DetectorSample::*figure;
    double limit;
    std::int64_t for_ms;
    Incident incident;
    std::optional<std::int64_t> since_ms = std::nullopt;
  };

  std::array<Rule, 4> rules_{
      Rule{&DetectorSample::avg_response_time_seconds, 0.1, 30'000,
           Incident("rule", "query_metrics.avg_response_time_seconds", true, 0)},
      Rule{&DetectorSample::p95_response_time_seconds, 0.25, 30'000,
           Incident("rule", "query_metrics.p95_response_time_seconds", true, 0)},
      Rule{&DetectorSample::error_rate, 0.05, 60'000, Incident("rule", "query_metrics.error_rate", true, 0)},
      Rule{&DetectorSample::cpu_usage, 80, 120'000, Incident("rule", "system_metrics.cpu_usage", true, 0)}};
};

}  // namespace outrider
