// The histogram that kernel and agent share, and the arithmetic on it. Expected values are computed by hand from
// the layout: a bucket for each nanosecond below 64, 32 buckets an octave up to 2^42 ns.
#include "userspace/model/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

namespace outrider {
namespace {

TEST(HistogramLayout, KnownEdges) {
  EXPECT_EQ(OUTRIDER_HIST_BUCKETS, 32 + 37 * 32 + 1);
  EXPECT_EQ(outrider_hist_index(0), 0U);
  EXPECT_EQ(outrider_hist_index(1), 1U);
  EXPECT_EQ(outrider_hist_index(63), 63U);
  EXPECT_EQ(outrider_hist_index(64), 64U);
  EXPECT_EQ(outrider_hist_index(65), 64U);  // 64 / 32 = 2 ns wide
  EXPECT_EQ(outrider_hist_index(66), 65U);
  EXPECT_EQ(outrider_hist_index(127), 95U);
  EXPECT_EQ(outrider_hist_index(128), 96U);
  EXPECT_EQ(outrider_hist_index(1ULL << 20), 32U + 15 * 32);
  EXPECT_EQ(outrider_hist_index((1ULL << 42) - 1), OUTRIDER_HIST_BUCKETS - 2U);
  EXPECT_EQ(outrider_hist_index(1ULL << 42), OUTRIDER_HIST_BUCKETS - 1U);
  EXPECT_EQ(outrider_hist_index(~0ULL), OUTRIDER_HIST_BUCKETS - 1U);
}

TEST(HistogramLayout, EachBoundaryStartsItsBucket) {
  for (unsigned i = 1; i < OUTRIDER_HIST_BUCKETS; ++i) {
    const unsigned long long lower = outrider_hist_lower(i);
    ASSERT_GT(lower, outrider_hist_lower(i - 1)) << i;
    ASSERT_EQ(outrider_hist_index(lower), i);
    ASSERT_EQ(outrider_hist_index(lower - 1), i - 1);
  }
}

TEST(HistogramLayout, MostSignificantBitOfEveryPower) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(outrider_msb64(1ULL << bit), bit);
    EXPECT_EQ(outrider_msb64((1ULL << bit) | ((1ULL << bit) - 1)), bit);
  }
}

TEST(HistogramLayout, MiddleIsWithinOneSixtyFourthOfAnyValue) {
  std::mt19937_64 random(42);
  std::uniform_real_distribution<double> exponent(0, 41.999);
  double worst = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const auto value = static_cast<unsigned long long>(std::exp2(exponent(random)));
    const double middle = bucket_middle_ns(outrider_hist_index(value));
    worst = std::max(worst, std::abs(middle - static_cast<double>(value)) / static_cast<double>(value));
  }
  EXPECT_LE(worst, 1.0 / 64);
  EXPECT_GT(worst, 1.0 / 66);  // the bound is tight: a looser layout would be noticed
}

TEST(Percentile, NearestRankIsTheBucketMiddle) {
  HistogramCells cells{};
  for (int ms = 1; ms <= 100; ++ms) ++cells[outrider_hist_index(static_cast<unsigned long long>(ms) * 1'000'000)];
  for (const auto& [q, ms] : {std::pair{0.5, 50.0}, {0.95, 95.0}, {0.99, 99.0}, {0.07, 7.0}, {1.0, 100.0}}) {
    const auto value = percentile_ns(cells, q);
    ASSERT_TRUE(value);
    EXPECT_EQ(outrider_hist_index(static_cast<unsigned long long>(*value)),
              outrider_hist_index(static_cast<unsigned long long>(ms * 1e6)))
        << q;
    EXPECT_NEAR(*value, ms * 1e6, ms * 1e6 / 64) << q;
  }
}

TEST(Percentile, EdgeCases) {
  HistogramCells cells{};
  EXPECT_FALSE(percentile_ns(cells, 0.5));
  cells[136] = 1;  // [320, 328): the eighth of the octave of 256, 32 * (8 - 5 + 1) + 8; its middle is 323.5
  EXPECT_DOUBLE_EQ(*percentile_ns(cells, 0), 323.5);
  EXPECT_DOUBLE_EQ(*percentile_ns(cells, 0.999), 323.5);
  cells[OUTRIDER_HIST_BUCKETS - 1] = 9;
  EXPECT_DOUBLE_EQ(*percentile_ns(cells, 0.99), std::exp2(42));  // open bucket: its lower edge
}

TEST(Difference, WrapsModuloTwoToThe32) {
  HistogramCells before{}, now{};
  before[5] = 0xfffffffeU;
  now[5] = 3;
  before[6] = now[6] = 77;
  const SparseHistogram difference = subtract(now, before);
  ASSERT_EQ(difference.size(), 1U);
  EXPECT_EQ(difference[0].bucket, 5U);
  EXPECT_EQ(difference[0].count, 5U);
}

TEST(Merge, KeepsOrderAndGrowsBeyond32Bits) {
  SparseHistogram sum{{3, 0xffffffffU}, {9, 1}};
  merge(sum, {{1, 2}, {3, 2}, {12, 4}});
  ASSERT_EQ(sum.size(), 4U);
  EXPECT_EQ(sum[0].bucket, 1U);
  EXPECT_EQ(sum[1].bucket, 3U);
  EXPECT_EQ(sum[1].count, 0x100000001ULL);
  EXPECT_EQ(sum[2].bucket, 9U);
  EXPECT_EQ(sum[3].count, 4U);
  EXPECT_EQ(histogram_count(sum), 0x100000001ULL + 2 + 1 + 4);

  HistogramCells cells{}, more{};
  cells[3] = 0xffffffffU;
  more[3] = 2;
  merge(cells, more);
  EXPECT_EQ(cells[3], 1U);
}

TEST(Histogram, MergingIsASumByBucketWhereverTheBucketsLie) {
  const std::vector<SparseHistogram> all = {
      {}, {{5, 1}}, {{1, 2}}, {{9, 3}}, {{1, 1}, {5, 2}, {9, 4}}, {{2, 1}, {3, 1}, {7, 5}}, {{0, 1}, {1216, 2}}};
  for (const SparseHistogram& left : all) {
    for (const SparseHistogram& right : all) {
      std::map<std::uint32_t, std::uint64_t> expected;
      for (const BucketCount& one : left) expected[one.bucket] += one.count;
      for (const BucketCount& one : right) expected[one.bucket] += one.count;
      SparseHistogram sum = left;
      merge(sum, right);
      ASSERT_EQ(sum.size(), expected.size());
      auto cell = sum.begin();
      for (const auto& [bucket, count] : expected) {
        EXPECT_EQ(cell->bucket, bucket);
        EXPECT_EQ((cell++)->count, count);
      }
    }
  }
}

TEST(Fold, AtMostTheBoundsAskedForAndAscending) {
  for (std::size_t max : {1U, 7U, 20U, 39U, 500U}) {
    const auto bounds = le_bounds(max);
    EXPECT_LE(bounds.size(), std::min<std::size_t>(max, kDefaultLeBounds));
    EXPECT_FALSE(bounds.empty());
    for (std::size_t i = 1; i < bounds.size(); ++i) EXPECT_LT(bounds[i - 1], bounds[i]);
  }
  EXPECT_EQ(le_bounds().size(), 39U);
}

TEST(Fold, CountsValuesUpToAndIncludingTheBound) {
  // A bound is the last whole nanosecond below an edge: 2^20 - 1 is counted, 2^20 is not.
  HistogramCells cells{};
  ++cells[outrider_hist_index((1U << 20) - 1)];
  ++cells[outrider_hist_index(1U << 20)];
  ++cells[outrider_hist_index(1ULL << 50)];
  const auto folded = fold(to_sparse(cells), le_bounds());
  bool found = false;
  for (const FoldedBucket& bucket : folded) {
    if (bucket.upper_ns == (1U << 20) - 1) {
      found = true;
      EXPECT_EQ(bucket.cumulative, 1U);
    }
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(folded.front().cumulative, 0U);
  EXPECT_EQ(folded.back().cumulative, 2U);  // the third lies above the last finite bound
}

TEST(Fold, FineHasBothEdgesOfEachUsedBucket) {
  const SparseHistogram histogram{{0, 1}, {40, 2}, {41, 3}, {OUTRIDER_HIST_BUCKETS - 1, 4}};
  const auto bounds = used_bounds(histogram);
  EXPECT_EQ(bounds, (std::vector<std::uint32_t>{1, 40, 41, 42, OUTRIDER_HIST_BUCKETS - 1}));
  const auto folded = fold(histogram, bounds);
  EXPECT_EQ(folded[0].cumulative, 1U);
  EXPECT_EQ(folded[1].cumulative, 1U);
  EXPECT_EQ(folded[2].cumulative, 3U);
  EXPECT_EQ(folded[3].cumulative, 6U);
  EXPECT_EQ(folded[4].cumulative, 6U);
}

}  // namespace
}  // namespace outrider
