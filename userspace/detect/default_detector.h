// The detector that is used unless another is chosen: each figure against its own past at the same load. See arms.h and
// latency_arm.h for the tests; parameters were chosen on a corpus of made engines (alerts/corpus). About 3 KB.
#pragma once

#include <vector>

#include "userspace/detect/arms.h"
#include "userspace/detect/detector.h"
#include "userspace/detect/latency_arm.h"
#include "userspace/detect/sample_clock.h"
#include "userspace/detect/sample_gatherer.h"

namespace outrider {

class DefaultDetector : public Detector {
 public:
  void observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) override;
  void went_down() override;
  void forget_host() override;
  [[nodiscard]] std::string serialise() const override;
  Status restore(std::string_view text) override;
  [[nodiscard]] std::size_t state_bytes() const override { return sizeof *this; }

 private:
  struct Latency {
    Latency(const char* metric, double least_queries)
        : arm({.least_queries = least_queries}), spike("spike", metric), shift("shift", metric) {}
    LatencyArm arm;
    Incident spike, shift;
    [[nodiscard]] bool open() const { return spike.open() || shift.open(); }
    void update(std::int64_t now_ms, std::vector<IncidentEvent>& events);

    template <typename Self, typename Visitor>
    static void visit(Self& self, Visitor& state) {
      state(self.arm, self.spike, self.shift);
    }
  };

  /// All that is remembered, so that it can be exchanged as a whole.
  struct State {
    SampleClock clock;
    SampleGatherer gatherer;
    Latency avg{"query_metrics.avg_response_time_seconds", 10};
    Latency p95{"query_metrics.p95_response_time_seconds", 20};
    ErrorArm errors;
    Incident error_incident{"errors", "query_metrics.error_rate"};
    TrafficArm traffic;
    Incident traffic_incident{"drop", "query_metrics.queries_per_second", false};
    LimitArm cpu{85};
    Incident cpu_incident{"limit", "system_metrics.cpu_usage"};
    CacheArm cache;
    Incident cache_incident{"shift", "cache_metrics.hit_rate", false};
    GrowthArm memory;
    Incident memory_incident{"growth", "target_metrics.memory_used_mb"};

    template <typename Self, typename Visitor>
    static void visit(Self& self, Visitor& state) {
      state(self.clock, self.gatherer, self.avg, self.p95, self.errors, self.error_incident, self.traffic,
            self.traffic_incident, self.cpu, self.cpu_incident, self.cache, self.cache_incident, self.memory,
            self.memory_incident);
    }
  };

  void observe_latency(const DetectorSample& sample, double queries, std::vector<IncidentEvent>& events);
  void observe_queries(const DetectorSample& sample, std::vector<IncidentEvent>& events);
  [[nodiscard]] bool advance(const DetectorSample& sample);

  State state_;
};

}  // namespace outrider
