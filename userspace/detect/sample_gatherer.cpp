#include "userspace/detect/sample_gatherer.h"

namespace outrider {

void SampleGatherer::Mean::add(const std::optional<double>& value, double by) {
  if (!value) return;
  sum += *value * by;
  weight += by;
}

std::optional<double> SampleGatherer::Mean::value() const {
  if (!(weight > 0)) return std::nullopt;
  return sum / weight;
}

std::optional<DetectorSample> SampleGatherer::add(const DetectorSample& sample) {
  constexpr double kAlmostASecond = 0.95;  // no timer is exact
  if (seconds_ == 0 && sample.seconds >= kAlmostASecond) return sample;
  const double queries = sample.queries_per_second.value_or(0) * sample.seconds;
  seconds_ += sample.seconds;
  rate_.add(sample.queries_per_second, sample.seconds);
  cpu_.add(sample.cpu_usage, sample.seconds);
  average_.add(sample.avg_response_time_seconds, queries);
  p95_.add(sample.p95_response_time_seconds, queries);
  errors_.add(sample.error_rate, queries);
  hits_.add(sample.cache_hit_rate, queries);
  if (seconds_ < kAlmostASecond) return std::nullopt;
  DetectorSample whole{sample.time_ms, seconds_,     average_.value(),      p95_.value(), errors_.value(),
                       rate_.value(),  cpu_.value(), sample.memory_used_mb, hits_.value()};
  *this = {};
  return whole;
}

}  // namespace outrider
