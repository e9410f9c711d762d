#include "userspace/model/point.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "userspace/model/snapshot_fields.h"

namespace outrider {
namespace {

void add_gauge(Point& point, const std::string& name, double value) {
  // No gauge without time: a mean over nothing would be a made-up figure.
  if (!(point.seconds > 0) || !std::isfinite(value)) return;
  if (is_amount(name)) value /= point.seconds;
  point.gauges[name] = {value * point.seconds, point.seconds, value, value};
}

template <typename T>
void add_gauge(Point& point, const std::string& name, const std::optional<T>& value) {
  if (value) add_gauge(point, name, static_cast<double>(*value));
}

void add_gauges(Point& point, const Snapshot& snapshot) {
  for (const bool of_target : {false, true}) {
    const std::string prefix = of_target ? "target_metrics." : "system_metrics.";
    for_each_resource(of_target ? snapshot.target_metrics : snapshot.system_metrics, of_target,
                      [&](const char* name, const auto& figure) { add_gauge(point, prefix + name, figure); });
  }
  add_gauge(point, "health_score", snapshot.health_score);
  add_gauge(point, "query_metrics.current_concurrent", snapshot.query_metrics.current_concurrent);
  add_gauge(point, "query_metrics.oldest_in_flight_seconds", snapshot.query_metrics.oldest_in_flight_seconds);
  add_gauge(point, "overhead.ns_per_query", snapshot.overhead.ns_per_query);
  add_gauge(point, "overhead.percent_of_target_cpu", snapshot.overhead.percent_of_target_cpu);
  add_gauge(point, "overhead.sampled_share", snapshot.overhead.sampled_share);
}

}  // namespace

std::int64_t floor_to_step(std::int64_t value_ms, std::int64_t step_ms) {
  const std::int64_t rest = value_ms % step_ms;
  return value_ms - (rest < 0 ? rest + step_ms : rest);
}

std::int64_t ceil_to_step(std::int64_t value_ms, std::int64_t step_ms) {
  const std::int64_t floor = floor_to_step(value_ms, step_ms);
  return floor == value_ms ? floor : floor + step_ms;
}

bool is_amount(std::string_view field) {
  static constexpr std::array<std::string_view, 5> kAmounts = {".throttled_seconds", ".disk_read_mb", ".disk_write_mb",
                                                               ".network_rx_mb", ".network_tx_mb"};
  return std::any_of(kAmounts.begin(), kAmounts.end(), [&](std::string_view name) { return field.ends_with(name); });
}

void merge(Gauge& into, const Gauge& more) {
  if (more.seconds <= 0) return;
  if (into.seconds <= 0) {
    into = more;
    return;
  }
  into.sum += more.sum;
  into.seconds += more.seconds;
  into.min = std::min(into.min, more.min);
  into.max = std::max(into.max, more.max);
}

void merge(Point& into, const Point& more) {
  into.seconds += more.seconds;
  into.watched_seconds += more.watched_seconds;
  into.total.add(more.total);
  for (const auto& [name, type] : more.types) into.types[name].add(type);
  for (const auto& [name, gauge] : more.gauges) merge(into.gauges[name], gauge);
  into.peak_concurrent = std::max(into.peak_concurrent, more.peak_concurrent);
  into.cache_hits += more.cache_hits;
  into.cache_misses += more.cache_misses;
  into.up_seconds += more.up_seconds;
  into.stalled_seconds += more.stalled_seconds;
  into.down_seconds += more.down_seconds;
  into.losses += more.losses;
}

Point make_point(const Snapshot& snapshot, const TargetFigures& interval, std::int64_t step_ms) {
  Point point;
  const auto half_ms = static_cast<std::int64_t>(std::llround(snapshot.interval_seconds * 500));
  point.begin_ms = floor_to_step(snapshot.timestamp_ms - half_ms, step_ms);
  point.length_ms = step_ms;
  point.seconds = snapshot.interval_seconds;
  point.watched_seconds = snapshot.interval_seconds * std::clamp(snapshot.overhead.sampled_share, 0.0, 1.0);
  point.cache_hits = interval.cache_hits;
  point.cache_misses = interval.cache_misses;
  for (const auto& [id, type] : interval.types) {
    point.cache_hits += type.cache_hits;
    point.cache_misses += type.cache_misses;
    if (type.queries > 0 || type.abandoned > 0 || type.failed > 0 || type.cache_hits + type.cache_misses > 0) {
      point.types[id.first].add(type);
    }
    if (!id.second) point.total.add(type);
  }
  point.peak_concurrent = snapshot.query_metrics.peak_concurrent.value_or(-1);
  for (const std::uint64_t loss : interval.losses) point.losses += loss;
  add_gauges(point, snapshot);
  return point;
}

}  // namespace outrider
