// Scores of series made by hand: what is an alarm in each, and what is none.
#include "userspace/detect/anomaly_score.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numbers>
#include <vector>

namespace outrider {
namespace {

constexpr std::int64_t kStartMs = 1'700'006'400'000;  // a midnight, UTC
constexpr std::int64_t kMinutesMs = 5 * 60'000;       // from row to row
constexpr std::size_t kDay = 288;

/// Between 10 and 20, the same again every 11 rows.
double wobble(std::size_t row) { return 10 + static_cast<double>(row * 7 % 11); }

std::vector<double> wobbles(std::size_t rows) {
  std::vector<double> values;
  values.reserve(rows);
  for (std::size_t row = 0; row < rows; ++row) values.push_back(wobble(row));
  return values;
}

std::vector<double> scores(const std::vector<double>& values) {
  AnomalyScore scorer;
  std::vector<double> result;
  result.reserve(values.size());
  std::int64_t at_ms = kStartMs;
  for (const double value : values) result.push_back(scorer.observe(at_ms += kMinutesMs, value));
  return result;
}

double largest(const std::vector<double>& scores, std::size_t from, std::size_t to) {
  return *std::max_element(scores.begin() + static_cast<std::ptrdiff_t>(from),
                           scores.begin() + static_cast<std::ptrdiff_t>(to));
}

TEST(AnomalyScore, what_repeats_raises_nothing) { EXPECT_LT(largest(scores(wobbles(3000)), 0, 3000), 0.5); }

TEST(AnomalyScore, a_row_sees_no_later_one) {
  std::vector<double> calm = wobbles(600), wild = calm;
  for (std::size_t row = 400; row < 600; ++row) wild[row] = 1e6 * static_cast<double>(row);
  const std::vector<double> of_calm = scores(calm), of_wild = scores(wild);
  EXPECT_TRUE(std::equal(of_calm.begin(), of_calm.begin() + 400, of_wild.begin()));
  EXPECT_GT(of_wild[400], AnomalyScore::kAlarm);
}

TEST(AnomalyScore, the_first_hundred_rows_have_no_score) {
  std::vector<double> values = wobbles(200);
  values[50] = 1e6;
  EXPECT_DOUBLE_EQ(largest(scores(values), 0, 99), 0);
}

TEST(AnomalyScore, a_new_extreme_is_measured_by_the_range) {
  std::vector<double> values = wobbles(1000);
  values[900] = 23;  // 3 beyond, of a range of 10: three times the margin of a tenth, and 3 / (1 + 3)
  EXPECT_NEAR(scores(values)[900], 0.75, 0.02);
  values[900] = 20.5;  // half the margin
  EXPECT_LT(scores(values)[900], AnomalyScore::kAlarm);
}

TEST(AnomalyScore, a_spike_that_comes_again_and_again_is_no_news) {
  std::vector<double> values = wobbles(2000);
  for (std::size_t row = 90; row < 2000; row += 55) values[row] = 100;
  EXPECT_LT(largest(scores(values), 300, 2000), AnomalyScore::kAlarm);
}

TEST(AnomalyScore, a_level_inside_the_range_that_stays_is_a_shift) {
  std::vector<double> values = wobbles(1000);
  for (std::size_t row = 900; row < 1000; ++row) values[row] = 19.5;
  const std::vector<double> found = scores(values);
  EXPECT_LT(found[900], AnomalyScore::kAlarm);
  EXPECT_GT(largest(found, 900, 930), AnomalyScore::kAlarm);
}

TEST(AnomalyScore, a_flat_day_is_out_of_line_with_a_daily_rhythm) {
  std::vector<double> values;
  for (std::size_t row = 0; row < 10 * kDay; ++row) {
    const double rhythm = 100 * std::sin(2 * std::numbers::pi * static_cast<double>(row) / kDay);
    values.push_back(row < 9 * kDay ? rhythm + wobble(row) : wobble(row));
  }
  const std::vector<double> found = scores(values);
  EXPECT_LT(largest(found, 4 * kDay, 9 * kDay), AnomalyScore::kAlarm);
  EXPECT_GT(largest(found, 9 * kDay, 10 * kDay), AnomalyScore::kAlarm);
}

TEST(AnomalyScore, a_series_that_becomes_restless_within_its_range_is_found) {
  std::vector<double> values;
  for (std::size_t row = 0; row < 1000; ++row) {
    const double slow = 15 + 10 * std::sin(2 * std::numbers::pi * static_cast<double>(row) / 100);
    values.push_back(row < 900 ? slow : 15 + (row % 2 == 0 ? 9 : -9));
  }
  const std::vector<double> found = scores(values);
  EXPECT_LT(largest(found, 200, 900), AnomalyScore::kAlarm);
  EXPECT_GT(largest(found, 900, 1000), AnomalyScore::kAlarm);
}

TEST(AnomalyScore, any_step_from_a_constant_is_an_alarm) {
  std::vector<double> values(300, 42);
  values[200] = 42.001;
  const std::vector<double> found = scores(values);
  EXPECT_DOUBLE_EQ(largest(found, 0, 200), 0);
  EXPECT_GT(found[200], 0.99);
  EXPECT_LE(found[200], 1);
}

TEST(AnomalyScore, after_an_alarm_only_worse_is_another) {
  std::vector<double> values = wobbles(1000);
  values[900] = 23;
  values[910] = 25;  // 2 beyond a range of 13: 0.6, halved
  EXPECT_LT(scores(values)[910], AnomalyScore::kAlarm);
  values[910] = 1000;
  EXPECT_NEAR(scores(values)[910], 0.5, 0.05);  // 0.999, not quite halved any more
  EXPECT_GT(scores(values)[910], AnomalyScore::kAlarm);
}

TEST(AnomalyScore, what_is_no_number_is_passed_over) {
  AnomalyScore with, without;
  for (std::size_t row = 0; row < 500; ++row) {
    const std::int64_t at_ms = kStartMs + static_cast<std::int64_t>(row) * kMinutesMs;
    EXPECT_DOUBLE_EQ(with.observe(at_ms, std::numeric_limits<double>::quiet_NaN()), 0);
    EXPECT_DOUBLE_EQ(with.observe(at_ms, std::numeric_limits<double>::infinity()), 0);
    const double value = row == 400 ? 30 : wobble(row);
    EXPECT_DOUBLE_EQ(with.observe(at_ms, value), without.observe(at_ms, value)) << row;
  }
}

TEST(AnomalyScore, a_clock_that_goes_back_and_gaps_raise_nothing) {
  AnomalyScore scorer;
  double most = 0;
  std::int64_t at_ms = kStartMs;
  for (std::size_t row = 0; row < 2000; ++row) {
    at_ms += kMinutesMs;
    if (row == 700) at_ms -= 3'600'000;
    if (row == 1200) at_ms += 40 * 3'600'000LL;
    if (row == 1500) at_ms = -at_ms;  // before 1970
    most = std::max(most, scorer.observe(at_ms, wobble(row)));
  }
  EXPECT_LT(most, AnomalyScore::kAlarm);
}

TEST(AnomalyScore, huge_values_stay_between_0_and_1) {
  std::vector<double> values = wobbles(400);
  values[200] = std::numeric_limits<double>::max();
  values[300] = std::numeric_limits<double>::lowest();
  for (const double score : scores(values)) {
    EXPECT_GE(score, 0);
    EXPECT_LE(score, 1);
  }
}

TEST(AnomalyScore, it_takes_less_than_four_kilobytes) { EXPECT_LE(sizeof(AnomalyScore), 4096U); }

}  // namespace
}  // namespace outrider
