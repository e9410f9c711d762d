#include "userspace/detect/point_sample.h"

#include "userspace/model/metric.h"

namespace outrider {

DetectorSample sample_of(const Point& point) {
  DetectorSample sample;
  sample.time_ms = point.begin_ms + point.length_ms;
  sample.seconds = point.watched_seconds;
  sample.avg_response_time_seconds = metric_value(point, "query_metrics.avg_response_time_seconds");
  sample.p95_response_time_seconds = metric_value(point, "query_metrics.p95_response_time_seconds");
  sample.error_rate = metric_value(point, "query_metrics.error_rate");
  sample.queries_per_second = metric_value(point, "query_metrics.queries_per_second");
  sample.cpu_usage = metric_value(point, "system_metrics.cpu_usage");
  sample.memory_used_mb = metric_value(point, "target_metrics.memory_used_mb");
  sample.cache_hit_rate = metric_value(point, "cache_metrics.hit_rate");
  return sample;
}

}  // namespace outrider
