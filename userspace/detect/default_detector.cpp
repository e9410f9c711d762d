#include "userspace/detect/default_detector.h"

#include <cmath>

#include "userspace/detect/state_text.h"

namespace outrider {
namespace {

constexpr int kDefaultVersion = 2;
constexpr std::int64_t kAcceptMs = 900'000;

void keep_finite(std::optional<double>& figure) {
  if (figure && !(std::isfinite(*figure) && *figure >= 0)) figure.reset();
}

DetectorSample finite(DetectorSample sample) {
  for (auto figure : {&DetectorSample::avg_response_time_seconds, &DetectorSample::p95_response_time_seconds,
                      &DetectorSample::error_rate, &DetectorSample::queries_per_second, &DetectorSample::cpu_usage,
                      &DetectorSample::memory_used_mb, &DetectorSample::cache_hit_rate}) {
    keep_finite(sample.*figure);
  }
  return sample;
}

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
  const bool learn = !state_.avg.open() && !state_.p95.open() && !state_.cache_incident.open();
  const auto see = [&](Latency& latency, const std::optional<double>& seconds) {
    if (!seconds) return;
    latency.arm.observe({sample.time_ms, sample.seconds, *sample.queries_per_second, queries, *seconds}, learn);
  };
  see(state_.avg, sample.avg_response_time_seconds);
  see(state_.p95, sample.p95_response_time_seconds);
  state_.avg.update(sample.time_ms, events);
  state_.p95.update(sample.time_ms, events);
}

void DefaultDetector::observe_queries(const DetectorSample& sample, std::vector<IncidentEvent>& events) {
  State& s = state_;
  const std::int64_t now = sample.time_ms;
  const double queries = *sample.queries_per_second * sample.seconds;
  observe_latency(sample, queries, events);
  if (sample.error_rate) s.errors.observe(now, queries, *sample.error_rate, !s.error_incident.open());
  s.error_incident.update(now, s.errors.finding(), events);
  s.traffic.observe(now, *sample.queries_per_second, !s.traffic_incident.open());
  s.traffic_incident.update(now, s.traffic.finding(), events);
  if (s.traffic_incident.age_ms(now) >= kAcceptMs) {
    s.traffic.accept_level();
    s.traffic_incident.close(now, "the new level is taken for normal", events);
  }
  if (sample.cache_hit_rate) s.cache.observe(now, queries, *sample.cache_hit_rate, !s.cache_incident.open());
  s.cache_incident.update(now, s.cache.finding(), events);
}

bool DefaultDetector::advance(const DetectorSample& sample) {
  const SampleClock::Step step = state_.clock.advance(sample.time_ms, sample.seconds);
  if (step.shift_ms != 0) {
    ClockShift shift(step.shift_ms);
    State::visit(state_, shift);
  }
  if (step.shift_ms > 0) state_.memory.restart();
  return !step.repeated;
}

void DefaultDetector::observe(const DetectorSample& raw, std::vector<IncidentEvent>& events) {
  if (!advance(raw)) return;
  const auto sample = state_.gatherer.add(finite(raw));
  if (!sample) return;
  const std::int64_t now = sample->time_ms;
  if (sample->queries_per_second) observe_queries(*sample, events);
  if (sample->cpu_usage) state_.cpu.observe(now, *sample->cpu_usage);
  state_.cpu_incident.update(now, state_.cpu.finding(), events);
  if (sample->memory_used_mb) state_.memory.observe(now, *sample->memory_used_mb);
  state_.memory_incident.update(now, state_.memory.finding(), events);
}

void DefaultDetector::went_down() {
  State& s = state_;
  for (Incident* one : {&s.avg.spike, &s.avg.shift, &s.p95.spike, &s.p95.shift, &s.error_incident, &s.traffic_incident,
                        &s.cpu_incident, &s.cache_incident, &s.memory_incident}) {
    one->forget();
  }
  s.gatherer = {};
  s.avg.arm.forget_evidence();
  s.p95.arm.forget_evidence();
  s.errors.forget_evidence();
  s.traffic.forget_evidence();
  s.cpu.forget_evidence();
  s.cache.forget_evidence();
  s.memory = {};
}

void DefaultDetector::forget_host() {
  const State fresh;
  state_.cpu = fresh.cpu;
  state_.cpu_incident = fresh.cpu_incident;
}

std::string DefaultDetector::serialise() const { return state_text(state_, kDefaultVersion); }

Status DefaultDetector::restore(std::string_view text) { return restore_state(text, kDefaultVersion, state_); }

}  // namespace outrider
