#include "userspace/detect/default_detector.h"

namespace outrider {
namespace {

constexpr std::int64_t kAcceptMs = 900'000;

}  // namespace

// What has lasted for a quarter of an hour is how it is now.
void DefaultDetector::Latency::update(std::int64_t now_ms, std::vector<IncidentEvent>& events) {
  spike.update(now_ms, arm.spike(), events);
  shift.update(now_ms, arm.shift(), events);
  if (spike.age_ms(now_ms) < kAcceptMs && shift.age_ms(now_ms) < kAcceptMs) return;
  spike.close(now_ms, "the new level is taken for normal", events);
  shift.close(now_ms, "the new level is taken for normal", events);
  arm.accept_level();
}

void DefaultDetector::observe_latency(const DetectorSample& sample, double queries,
                                      std::vector<IncidentEvent>& events) {
  const bool learn = !avg_.open() && !p95_.open() && !cache_incident_.open();
  const double load = *sample.queries_per_second;
  if (sample.avg_response_time_seconds) {
    avg_.arm.observe(sample.time_ms, load, queries, *sample.avg_response_time_seconds, learn);
  }
  if (sample.p95_response_time_seconds) {
    p95_.arm.observe(sample.time_ms, load, queries, *sample.p95_response_time_seconds, learn);
  }
  avg_.update(sample.time_ms, events);
  p95_.update(sample.time_ms, events);
}

void DefaultDetector::observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) {
  const std::int64_t now = sample.time_ms;
  if (now <= last_ms_) return;
  last_ms_ = now;
  if (sample.queries_per_second) {
    const double queries = *sample.queries_per_second * sample.seconds;
    observe_latency(sample, queries, events);
    if (sample.error_rate) errors_.observe(now, queries, *sample.error_rate, !error_incident_.open());
    error_incident_.update(now, errors_.finding(), events);
    traffic_.observe(now, *sample.queries_per_second, !traffic_incident_.open());
    traffic_incident_.update(now, traffic_.finding(), events);
    if (traffic_incident_.age_ms(now) >= kAcceptMs) {
      traffic_.accept_level();
      traffic_incident_.close(now, "the new level is taken for normal", events);
    }
    if (sample.cache_hit_rate) cache_.observe(now, queries, *sample.cache_hit_rate, !cache_incident_.open());
    cache_incident_.update(now, cache_.finding(), events);
  }
  if (sample.cpu_usage) cpu_.observe(now, *sample.cpu_usage);
  cpu_incident_.update(now, cpu_.finding(), events);
  if (sample.memory_used_mb) memory_.observe(now, *sample.memory_used_mb);
  memory_incident_.update(now, memory_.finding(), events);
}

}  // namespace outrider
