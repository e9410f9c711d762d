#include "userspace/model/query_figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "userspace/base/units.h"

namespace outrider {
namespace {

double seconds(double ns) { return ns / kNsPerSecond; }

}  // namespace

std::optional<double> ratio(double part, double whole) {
  if (!(whole > 0)) return std::nullopt;
  return part / whole;
}

std::optional<double> percentile_seconds(const TypeFigures& figures, double q) {
  const auto bucket = percentile_bucket(figures.histogram, q);
  if (!bucket) return std::nullopt;
  const double middle = bucket_middle_ns(*bucket);
  const auto max = static_cast<double>(figures.max_ns);
  const bool same_bucket = figures.max_ns > 0 && outrider_hist_index(figures.max_ns) == *bucket;
  // The last bucket has no middle: its values are only known to be above an hour.
  if (same_bucket && (max < middle || *bucket == OUTRIDER_HIST_BUCKETS - 1)) return seconds(max);
  return seconds(middle);
}

std::optional<double> max_seconds(const TypeFigures& figures) {
  if (figures.histogram.empty()) return std::nullopt;
  const std::uint32_t top = figures.histogram.back().bucket;
  if (figures.max_ns >= outrider_hist_lower(top)) return seconds(static_cast<double>(figures.max_ns));
  return seconds(bucket_middle_ns(top));
}

std::optional<WaitSeconds> wait_seconds(const TypeFigures& figures) {
  if (figures.queries > 0 && figures.timed == 0) return std::nullopt;
  WaitSeconds waits{};
  std::array<std::uint64_t, OUTRIDER_WAIT_CLASSES> ns = figures.wait_ns;
  const std::uint64_t covered = std::accumulate(ns.begin(), ns.end(), std::uint64_t{0});
  if (figures.duration_ns > covered) ns[OUTRIDER_WAIT_UNATTRIBUTED] += figures.duration_ns - covered;
  for (std::size_t i = 0; i < waits.size(); ++i) waits[i] = seconds(static_cast<double>(ns[i]));
  return waits;
}

std::uint64_t estimated_queries(const TypeFigures& figures) {
  return figures.queries + static_cast<std::uint64_t>(std::llround(figures.unseen_queries));
}

std::uint64_t estimated_failed(const TypeFigures& figures) {
  return figures.failed + static_cast<std::uint64_t>(std::llround(figures.unseen_failed));
}

TypeMetrics type_metrics(const TypeFigures& interval, TypeFigures total, double queries_per_second) {
  const auto queries = static_cast<double>(interval.queries);
  const auto hits = static_cast<double>(interval.cache_hits);
  TypeMetrics metrics;
  metrics.count = estimated_queries(total);
  metrics.failed = estimated_failed(total);
  metrics.abandoned = total.abandoned;
  metrics.interval_count = interval.queries;
  metrics.queries_per_second = queries_per_second;
  metrics.avg_response_time_seconds = ratio(seconds(static_cast<double>(interval.duration_ns)), queries);
  metrics.p50_response_time_seconds = percentile_seconds(interval, 0.50);
  metrics.p95_response_time_seconds = percentile_seconds(interval, 0.95);
  metrics.p99_response_time_seconds = percentile_seconds(interval, 0.99);
  metrics.success_rate = ratio(queries - static_cast<double>(std::min(interval.failed, interval.queries)), queries);
  metrics.cache_hit_rate = ratio(hits, hits + static_cast<double>(interval.cache_misses));
  metrics.waits = wait_seconds(interval);
  if (total.timed > 0) {
    metrics.waits_total.emplace();
    for (std::size_t i = 0; i < total.wait_ns.size(); ++i) {
      (*metrics.waits_total)[i] = seconds(static_cast<double>(total.wait_ns[i]));
    }
  }
  metrics.duration_seconds_total = seconds(static_cast<double>(total.duration_ns));
  metrics.histogram_total = std::move(total.histogram);
  return metrics;
}

}  // namespace outrider
