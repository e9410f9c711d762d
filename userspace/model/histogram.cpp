#include "userspace/model/histogram.h"

#include <algorithm>
#include <cmath>

namespace outrider {
namespace {

// Half octaves where most queries live, octaves and double octaves outside: 1 us .. 137 s in 39 bounds.
std::vector<std::uint32_t> standard_bounds() {
  std::vector<std::uint32_t> bounds;
  for (unsigned power : {10U, 12U, 14U}) bounds.push_back(outrider_hist_index(1ULL << power));
  for (unsigned power = 14; power < 30; ++power) {
    bounds.push_back(outrider_hist_index(3ULL << (power - 1)));
    bounds.push_back(outrider_hist_index(1ULL << (power + 1)));
  }
  for (unsigned power : {31U, 33U, 35U, 37U}) bounds.push_back(outrider_hist_index(1ULL << power));
  return bounds;
}

}  // namespace

// Most cells are equal: they are passed over in blocks of a fixed size, which the compiler compares in a few
// instructions.
SparseHistogram subtract(const HistogramCells& now, const HistogramCells& before) {
  constexpr std::size_t kBlock = 16;
  constexpr std::size_t kUsual = 32;
  SparseHistogram result;
  result.reserve(kUsual);  // it is made for each type in each interval
  const auto add = [&](std::size_t begin, std::size_t end) {
    for (std::size_t bucket = begin; bucket < end; ++bucket) {
      const std::uint32_t count = now[bucket] - before[bucket];
      if (count != 0) result.push_back({static_cast<std::uint32_t>(bucket), count});
    }
  };
  std::size_t begin = 0;
  for (; begin + kBlock <= now.size(); begin += kBlock) {
    std::uint32_t different = 0;
    for (std::size_t i = 0; i < kBlock; ++i) different |= now[begin + i] ^ before[begin + i];
    if (different != 0) add(begin, begin + kBlock);
  }
  add(begin, now.size());
  return result;
}

SparseHistogram to_sparse(const HistogramCells& cells) {
  static constexpr HistogramCells kEmpty{};
  return subtract(cells, kEmpty);
}

// What grows has most buckets already: then nothing moves.
void merge(SparseHistogram& into, const SparseHistogram& from) {
  if (into.empty()) {
    into = from;
    return;
  }
  SparseHistogram fresh;
  auto known = into.begin();
  for (const BucketCount& more : from) {
    while (known != into.end() && known->bucket < more.bucket) ++known;
    if (known != into.end() && known->bucket == more.bucket) {
      known->count += more.count;
    } else {
      if (fresh.empty()) fresh.reserve(from.size());
      fresh.push_back(more);
    }
  }
  if (fresh.empty()) return;
  const auto middle = static_cast<std::ptrdiff_t>(into.size());
  into.insert(into.end(), fresh.begin(), fresh.end());
  std::inplace_merge(into.begin(), into.begin() + middle, into.end(),
                     [](const BucketCount& left, const BucketCount& right) { return left.bucket < right.bucket; });
}

void merge(HistogramCells& into, const HistogramCells& from) {
  for (std::size_t bucket = 0; bucket < into.size(); ++bucket) into[bucket] += from[bucket];
}

std::uint64_t histogram_count(const SparseHistogram& histogram) {
  std::uint64_t count = 0;
  for (const BucketCount& cell : histogram) count += cell.count;
  return count;
}

double bucket_middle_ns(std::uint32_t bucket) {
  const auto lower = static_cast<double>(outrider_hist_lower(bucket));
  if (bucket >= OUTRIDER_HIST_BUCKETS - 1) return lower;
  return (lower + static_cast<double>(outrider_hist_lower(bucket + 1) - 1)) / 2;
}

std::optional<std::uint32_t> percentile_bucket(const SparseHistogram& histogram, double q) {
  const std::uint64_t count = histogram_count(histogram);
  if (count == 0) return std::nullopt;
  // 0.07 * 100 is a little more than 7 in binary: the small term keeps such a product at its rank.
  const double exact = std::ceil(q * static_cast<double>(count) - 1e-6);
  const auto rank = static_cast<std::uint64_t>(std::clamp(exact, 1.0, static_cast<double>(count)));
  std::uint64_t seen = 0;
  for (const BucketCount& cell : histogram) {
    seen += cell.count;
    if (seen >= rank) return cell.bucket;
  }
  return histogram.back().bucket;
}

std::optional<double> percentile_ns(const SparseHistogram& histogram, double q) {
  const auto bucket = percentile_bucket(histogram, q);
  if (!bucket) return std::nullopt;
  return bucket_middle_ns(*bucket);
}

std::optional<double> percentile_ns(const HistogramCells& cells, double q) {
  return percentile_ns(to_sparse(cells), q);
}

std::vector<std::uint32_t> le_bounds(std::size_t max_bounds) {
  std::vector<std::uint32_t> all = standard_bounds();
  if (max_bounds >= all.size()) return all;
  std::vector<std::uint32_t> thinned;
  for (std::size_t i = 1; i <= max_bounds; ++i) thinned.push_back(all[i * all.size() / max_bounds - 1]);
  return thinned;
}

std::vector<std::uint32_t> used_bounds(const SparseHistogram& histogram) {
  std::vector<std::uint32_t> bounds;
  for (const BucketCount& cell : histogram) {
    if (cell.bucket > 0 && (bounds.empty() || bounds.back() != cell.bucket)) bounds.push_back(cell.bucket);
    if (cell.bucket < OUTRIDER_HIST_BUCKETS - 1) bounds.push_back(cell.bucket + 1);
  }
  return bounds;
}

std::vector<FoldedBucket> fold(const SparseHistogram& histogram, const std::vector<std::uint32_t>& bounds) {
  std::vector<FoldedBucket> folded;
  folded.reserve(bounds.size());
  auto cell = histogram.begin();
  std::uint64_t seen = 0;
  for (std::uint32_t bound : bounds) {
    for (; cell != histogram.end() && cell->bucket < bound; ++cell) seen += cell->count;
    folded.push_back({outrider_hist_lower(bound) - 1, seen});
  }
  return folded;
}

}  // namespace outrider
