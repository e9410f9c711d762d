// The benchmark's score against cases worked out by hand from its definition.
#include "alerts/corpus/nab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outrider {
namespace {

using testing::HasSubstr;

/// Twenty rows, of which three are not scored, with a window of five. Rows that score 1 are detections.
NabSeries series(const std::vector<std::size_t>& detections) {
  NabSeries series;
  series.scores.assign(20, 0);
  for (const std::size_t row : detections) series.scores.at(row) = 1;
  series.windows = {{10, 14}};
  return series;
}

double score(const std::vector<std::size_t>& detections) { return nab_score({series(detections)}, 0.5).score; }

TEST(Nab, the_first_15_percent_but_at_most_750_rows_are_not_scored) {
  EXPECT_EQ(nab_probation(20), 3U);
  EXPECT_EQ(nab_probation(4032), 604U);
  EXPECT_EQ(nab_probation(18'050), 750U);
  EXPECT_DOUBLE_EQ(score({0, 1, 2}), 0);
}

TEST(Nab, what_a_detection_earns_falls_from_the_begin_of_the_window) {
  EXPECT_NEAR(nab_sigmoid(-1), 0.98661430, 1e-8);  // 2 / (1 + exp(-5)) - 1
  EXPECT_NEAR(nab_sigmoid(-0.5), 0.84828364, 1e-8);
  EXPECT_DOUBLE_EQ(nab_sigmoid(0), 0);
  EXPECT_NEAR(nab_sigmoid(1), -0.98661430, 1e-8);
  EXPECT_DOUBLE_EQ(nab_sigmoid(3), -1);
}

TEST(Nab, silence_has_0_and_the_first_row_of_each_window_100) {
  EXPECT_DOUBLE_EQ(score({}), 0);
  EXPECT_DOUBLE_EQ(score({10}), 100);
}

TEST(Nab, a_late_detection_earns_less) {
  EXPECT_NEAR(score({12}), 95.8714, 1e-3);          // 3/5 of the window are left: 0.905148 / 0.986614 = 0.917429
  EXPECT_NEAR(score({14}), 73.4193, 1e-3);          // 1/5 is left: 0.462117 / 0.986614 = 0.468387
  EXPECT_NEAR(score({14, 13, 12}), 95.8714, 1e-3);  // only the earliest counts
}

TEST(Nab, a_false_row_costs_less_just_behind_a_window) {
  EXPECT_NEAR(score({5}), -5.5, 1e-9);       // 0.11 of the 2 between silence and perfect
  EXPECT_NEAR(score({16}), -4.66556, 1e-4);  // half a window behind: 0.11 x 0.848284
  EXPECT_NEAR(score({5, 16, 10}), 89.8344, 1e-3);
}

TEST(Nab, counts_say_what_was_found) {
  const NabScore found = nab_score({series({5, 11, 12}), series({})}, 0.5);
  EXPECT_EQ(found.windows, 2U);
  EXPECT_EQ(found.found, 1U);
  EXPECT_EQ(found.false_rows, 1U);
}

TEST(Nab, the_best_threshold_is_one_for_all_series) {
  NabSeries early = series({}), late = series({});
  early.scores[10] = 0.9;  // found at 0.9
  late.scores[5] = 0.8;    // false from 0.8 on
  late.scores[10] = 0.7;   // found at 0.7, for the price of the false one
  const NabScore best = nab_best({early, late});
  EXPECT_DOUBLE_EQ(best.threshold, 0.7);
  EXPECT_NEAR(best.score, 97.25, 1e-9);  // 100 less 0.11 of 4
  EXPECT_NEAR(nab_score({early, late}, 0.9).score, 50, 1e-9);
}

TEST(Nab, where_nothing_pays_the_best_is_silence) {
  NabSeries even;  // 41 false rows before the window cost 4.51, and what is found earns 2
  even.scores.assign(60, 0.5);
  even.windows = {{50, 54}};
  EXPECT_DOUBLE_EQ(nab_best({even}).score, 0);
}

TEST(Nab, rows_of_one_score_are_taken_together) {
  NabSeries even = series({});
  even.scores.assign(20, 0.5);  // the window is found at once, but twelve false rows come along
  const NabScore best = nab_best({even});
  EXPECT_EQ(best.false_rows, 12U);
  EXPECT_NEAR(best.score, 37.6317, 1e-3);  // less 0.77 before, and 0.4774 behind
}

TEST(Nab, windows_are_placed_on_the_rows_of_their_times) {
  const auto labels = parse_nab_windows(
      R"({"a/b.csv": [["2014-04-10 07:15:00.000000", "2014-04-10 07:25:00.000000"]], "a/quiet.csv": []})");
  ASSERT_TRUE(labels);
  EXPECT_TRUE(labels->at("a/quiet.csv").empty());
  const std::vector<std::string> times{"2014-04-10 07:10:00", "2014-04-10 07:15:00", "2014-04-10 07:20:00",
                                       "2014-04-10 07:25:00"};
  const auto placed = place_nab_windows(times, labels->at("a/b.csv"));
  ASSERT_TRUE(placed);
  ASSERT_EQ(placed->size(), 1U);
  EXPECT_EQ(placed->front().first, 1U);
  EXPECT_EQ(placed->front().last, 3U);
}

TEST(Nab, labels_that_are_none_are_refused) {
  EXPECT_FALSE(parse_nab_windows("{"));
  EXPECT_FALSE(parse_nab_windows(R"({"a.csv": [1]})"));
  const auto placed = place_nab_windows({"2014-04-10 07:10:00"}, {{"2014-04-10 07:10:00", "2014-04-10 08:00:00"}});
  ASSERT_FALSE(placed);
  EXPECT_THAT(placed.error().message, HasSubstr("begins or ends at no row"));
}

}  // namespace
}  // namespace outrider
