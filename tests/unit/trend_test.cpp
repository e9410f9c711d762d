// Change against noise; expected values by hand.
#include "userspace/model/trend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace outrider {
namespace {

std::vector<double> numbers(double first, std::size_t count) {
  std::vector<double> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST(Trend, every_value_higher_than_before) {
  // Ranks 11..20 sum to 155, expected 10 * 21 / 2 = 105, variance 10 * 10 * 21 / 12 = 175.
  const Trend trend = compare(numbers(200, 10), numbers(100, 10));
  EXPECT_DOUBLE_EQ(*trend.now, 204.5);
  EXPECT_DOUBLE_EQ(*trend.before, 104.5);
  EXPECT_NEAR(*trend.change, 100 / 104.5, 1e-12);
  EXPECT_NEAR(trend.z, 50 / std::sqrt(175.0), 1e-12);
  EXPECT_TRUE(trend.significant);
}

TEST(Trend, one_outlier_is_noise) {
  std::vector<double> now(20, 1.0);
  now[7] = 1000;
  const Trend trend = compare(now, std::vector<double>(20, 1.0));
  EXPECT_GT(*trend.change, 1);
  // All but one tie: rank of the outlier 40, of the others 20; sum 420, expected 410, ties 39^3 - 39.
  const double variance = 400.0 / 12 * (41 - (39.0 * 39 * 39 - 39) / (40.0 * 39));
  EXPECT_NEAR(trend.z, 10 / std::sqrt(variance), 1e-12);
  EXPECT_FALSE(trend.significant);
}

TEST(Trend, a_small_change_is_not_worth_a_word) {
  const Trend trend = compare(std::vector<double>(30, 1.02), std::vector<double>(30, 1.0));
  EXPECT_GT(trend.z, kTrendZ);
  EXPECT_FALSE(trend.significant);
}

TEST(Trend, from_nothing_any_growth_counts) {
  const Trend trend = compare(std::vector<double>(30, 0.1), std::vector<double>(30, 0.0));
  EXPECT_FALSE(trend.change);
  EXPECT_TRUE(trend.significant);
}

TEST(Trend, too_few_values_give_no_verdict) {
  EXPECT_FALSE(compare(numbers(200, 7), numbers(100, 7)).significant);
  const Trend empty = compare({}, numbers(1, 9));
  EXPECT_FALSE(empty.now);
  EXPECT_FALSE(empty.change);
}

TEST(Trend, equal_values_do_not_divide_by_nothing) {
  const Trend trend = compare(std::vector<double>(10, 5), std::vector<double>(10, 5));
  EXPECT_EQ(trend.z, 0);
  EXPECT_FALSE(trend.significant);
}

}  // namespace
}  // namespace outrider
