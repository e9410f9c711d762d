// The detector that is used unless another is chosen: each figure against its own past at the same load. See arms.h and
// latency_arm.h for the tests; parameters were chosen on a corpus of made engines (alerts/corpus). About 3 KB.
#pragma once

#include <vector>

#include "userspace/detect/arms.h"
#include "userspace/detect/detector.h"
#include "userspace/detect/latency_arm.h"

namespace outrider {

class DefaultDetector : public Detector {
 public:
  void observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) override;

 private:
  struct Latency {
    Latency(const char* metric, double least_queries)
        : arm(least_queries), spike("spike", metric), shift("shift", metric) {}
    LatencyArm arm;
    Incident spike, shift;
    [[nodiscard]] bool open() const { return spike.open() || shift.open(); }
    void update(std::int64_t now_ms, std::vector<IncidentEvent>& events);
  };

  void observe_latency(const DetectorSample& sample, double queries, std::vector<IncidentEvent>& events);

  std::int64_t last_ms_ = 0;
  Latency avg_{"query_metrics.avg_response_time_seconds", 10};
  Latency p95_{"query_metrics.p95_response_time_seconds", 20};
  ErrorArm errors_;
  Incident error_incident_{"errors", "query_metrics.error_rate"};
  TrafficArm traffic_;
  Incident traffic_incident_{"drop", "query_metrics.queries_per_second", false};
  LimitArm cpu_{85};
  Incident cpu_incident_{"limit", "system_metrics.cpu_usage"};
  CacheArm cache_;
  Incident cache_incident_{"shift", "cache_metrics.hit_rate", false};
  GrowthArm memory_;
  Incident memory_incident_{"growth", "target_metrics.memory_used_mb"};
};

}  // namespace outrider
