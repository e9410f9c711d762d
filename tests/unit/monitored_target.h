// A target's snapshots made by hand, and what its monitor tells of them.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "userspace/detect/target_monitor.h"

namespace outrider {

constexpr std::int64_t kStart = 1'700'000'000'000;

/// A target with the types READ (150/s, 5 ms) and WRITE (50/s, 20 ms), an eighth of whose time are lock waits.
class Target {
 public:
  explicit Target(const MonitorOptions& options = {}) : monitor(*TargetMonitor::make("kg", options)) {
    facts.handle_limit = 1024;
    snapshot.interval_seconds = 1;
    snapshot.target = "kg";
    snapshot.availability = Availability{"up", {}, {}, {}, {}};
    snapshot.target_metrics.memory_used_mb = 4096;
    snapshot.target_metrics.memory_usage = 0.5;
    snapshot.target_metrics.handle_count = 100;
  }

  void pass(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      fill();
      monitor->observe(snapshot, facts, told);
    }
  }
  /// "firing Latency shift", ...
  [[nodiscard]] std::vector<std::string> story() const {
    static constexpr const char* kWhat[] = {"firing ", "worse ", "resolved "};
    std::vector<std::string> story;
    story.reserve(told.size());
    for (const Notice& notice : told) {
      story.push_back(kWhat[static_cast<std::size_t>(notice.what)] + notice.name +
                      (notice.type.empty() ? "" : " of " + notice.type));
    }
    return story;
  }

  double read_seconds = 0.005, write_seconds = 0.020, write_lock_seconds = 0.0025;
  double read_rate = 150, write_rate = 50, error_rate = 0.0005;
  std::int64_t clock_ms = kStart;
  Snapshot snapshot;
  MonitorFacts facts;
  std::vector<Notice> told;
  std::unique_ptr<TargetMonitor> monitor;

 private:
  void fill();
  void fill_type(const char* name, double rate, double seconds, double lock_seconds);

  std::int64_t step_ = 0;
};

inline void Target::fill_type(const char* name, double rate, double seconds, double lock_seconds) {
  TypeMetrics& type = snapshot.query_metrics.query_type_breakdown[name];
  const double queries = rate * snapshot.interval_seconds;
  type.interval_count = static_cast<std::uint64_t>(queries);
  type.queries_per_second = rate;
  type.avg_response_time_seconds = seconds;
  type.success_rate = 1 - error_rate;
  type.waits = WaitSeconds{};
  (*type.waits)[OUTRIDER_WAIT_LOCK] = lock_seconds * queries;
  (*type.waits)[OUTRIDER_WAIT_CPU] = (seconds - lock_seconds) * queries;
}

inline void Target::fill() {
  clock_ms += std::llround(snapshot.interval_seconds * 1000);
  snapshot.timestamp_ms = clock_ms;
  const double wobble = 1 + 0.05 * std::sin(static_cast<double>(++step_ % 7));
  QueryMetrics& all = snapshot.query_metrics;
  fill_type("READ", read_rate, read_seconds * wobble, 0);
  fill_type("WRITE", write_rate, write_seconds * wobble, write_lock_seconds * wobble);
  const double rate = read_rate + write_rate;
  all.queries_per_second = rate;
  all.interval_queries = static_cast<std::uint64_t>(rate * snapshot.interval_seconds);
  all.error_rate = error_rate;
  all.avg_response_time_seconds = wobble * (read_rate * read_seconds + write_rate * write_seconds) / rate;
  all.p95_response_time_seconds = 3 * *all.avg_response_time_seconds;
  all.waits = WaitSeconds{};
  for (std::size_t i = 0; i < all.waits->size(); ++i) {
    (*all.waits)[i] = (*all.query_type_breakdown["READ"].waits)[i] + (*all.query_type_breakdown["WRITE"].waits)[i];
  }
}

}  // namespace outrider
