// Arithmetic on latency histograms: differences, percentiles, and the few `le` bounds that Prometheus gets.
// Pure functions, thread-safe. All values are nanoseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "userspace/model/counters.h"

namespace outrider {

/// One bucket in use; its edges are outrider_hist_lower(bucket) and outrider_hist_lower(bucket + 1).
struct BucketCount {
  std::uint32_t bucket = 0;
  std::uint64_t count = 0;
};

/// The used buckets in ascending order. 64-bit counts: kernel cells wrap after 2^32, which a busy type reaches
/// within hours, and a type uses some hundred of the 1217 buckets.
using SparseHistogram = std::vector<BucketCount>;

SparseHistogram to_sparse(const HistogramCells& cells);

/// now - before, cell by cell, modulo 2^32.
SparseHistogram subtract(const HistogramCells& now, const HistogramCells& before);

void merge(SparseHistogram& into, const SparseHistogram& from);
void merge(HistogramCells& into, const HistogramCells& from);

std::uint64_t histogram_count(const SparseHistogram& histogram);

/// Middle of the whole nanoseconds in a bucket: within 1/64 of each of them. The last bucket is open and gives its
/// lower edge.
double bucket_middle_ns(std::uint32_t bucket);

/// The bucket that holds the value of rank ceil(q * count), q in 0..1; none if the histogram is empty.
std::optional<std::uint32_t> percentile_bucket(const SparseHistogram& histogram, double q);

/// Middle of percentile_bucket().
std::optional<double> percentile_ns(const SparseHistogram& histogram, double q);
std::optional<double> percentile_ns(const HistogramCells& cells, double q);

/// How many values are at most `upper_ns`.
struct FoldedBucket {
  std::uint64_t upper_ns = 0;
  std::uint64_t cumulative = 0;
};

/// Most finite `le` bounds by default; with +Inf they are 40.
inline constexpr std::size_t kDefaultLeBounds = 39;

/// At most `max_bounds` bucket indices at whose lower edge a folded bucket ends. They depend on nothing but
/// `max_bounds`, because series whose bounds move cannot be aggregated over time.
std::vector<std::uint32_t> le_bounds(std::size_t max_bounds = kDefaultLeBounds);

/// Both edges of each used bucket (the lower one keeps an interpolation inside the bucket).
std::vector<std::uint32_t> used_bounds(const SparseHistogram& histogram);

/// Cumulative counts at ascending `bounds`; exact, because a bound is the last integer below a bucket's edge.
std::vector<FoldedBucket> fold(const SparseHistogram& histogram, const std::vector<std::uint32_t>& bounds);

}  // namespace outrider
