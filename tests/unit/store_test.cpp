// The history on disk: what comes back is what a merge of all raw points gives, for as long as it should.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/store_points.h"
#include "userspace/model/metric.h"

namespace outrider {
namespace {

using testing::ElementsAre;

TEST_F(StoreTest, roll_up_equals_a_merge_of_all_raw_points) {
  open();
  write(0, 300);
  const auto history = read(kStartMs, kStartMs + 5 * kMinuteMs, kMinuteMs);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_FALSE(history->rounded);
  EXPECT_EQ(history->resolution_ms, kMinuteMs);
  ASSERT_EQ(history->points.size(), 5U);
  for (std::int64_t i = 0; i < 5; ++i) {
    const Point& point = history->points[static_cast<std::size_t>(i)];
    EXPECT_EQ(point.begin_ms, kStartMs + i * kMinuteMs);
    EXPECT_EQ(point.length_ms, kMinuteMs);
    expect_equal(point, merged_seconds(60 * i, 60 * (i + 1)));
  }
}

TEST_F(StoreTest, figures_of_a_rolled_up_minute) {
  open();
  write(0, 120);
  const auto history = read(kStartMs, kStartMs + kMinuteMs, 0);
  ASSERT_TRUE(history) << history.error().message;
  ASSERT_EQ(history->points.size(), 1U);
  const Point& minute = history->points[0];
  // 60 fast ones, and the slow ones of the seconds 0, 10, .. 50.
  EXPECT_EQ(metric_value(minute, "queries"), 66);
  EXPECT_EQ(metric_value(minute, "failed"), 6);
  EXPECT_DOUBLE_EQ(metric_value(minute, "qps").value(), 1.1);
  EXPECT_DOUBLE_EQ(metric_value(minute, "p50").value(), kFastMiddleSeconds);
  EXPECT_DOUBLE_EQ(metric_value(minute, "p99").value(), kSlowSeconds);
  EXPECT_EQ(metric_value(minute, "queries", "write"), 6);
  EXPECT_EQ(metric_value(minute, "losses"), 120);
  EXPECT_EQ(metric_value(minute, "up_seconds"), 60);
  // Of 0 .. 59 modulo 7: eight times 0 + .. + 6 = 21, then 0 + 1 + 2 + 3 = 6.
  EXPECT_DOUBLE_EQ(metric_value(minute, "target_metrics.cpu_usage").value(), (8 * 21 + 6) / 60.0);
}

TEST_F(StoreTest, what_is_not_rolled_up_yet_is_read_from_the_finer_points) {
  open();
  write(0, 75);
  const auto history = read(kStartMs, kStartMs + 2 * kMinuteMs, kMinuteMs);
  ASSERT_TRUE(history) << history.error().message;
  ASSERT_EQ(history->points.size(), 2U);
  expect_equal(history->points[0], merged_seconds(0, 60));
  expect_equal(history->points[1], merged_seconds(60, 75));
}

TEST_F(StoreTest, one_type_alone) {
  open();
  write(0, 120);
  const auto history = read(kStartMs, kStartMs + 2 * kMinuteMs, 2 * kMinuteMs, "write");
  ASSERT_TRUE(history) << history.error().message;
  ASSERT_EQ(history->points.size(), 1U);
  const Point& point = history->points[0];
  ASSERT_EQ(point.types.size(), 1U);
  EXPECT_EQ(point.types.at("write").queries, 12U);
  EXPECT_EQ(point.total.queries, 0U);
  EXPECT_TRUE(point.gauges.empty());
  EXPECT_DOUBLE_EQ(metric_value(point, "qps", "write").value(), 0.1);
}

TEST_F(StoreTest, a_window_on_the_fine_grid_is_exact_while_the_fine_points_are_kept) {
  open();
  write(0, 200);
  const auto history = read(kStartMs + 17'000, kStartMs + 143'000, 0);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_FALSE(history->rounded);
  ASSERT_EQ(history->points.size(), 1U);
  expect_equal(history->points[0], merged_seconds(17, 143));
}

TEST_F(StoreTest, a_window_between_the_marks_is_rounded_outward_and_says_so) {
  open();
  write(0, 300);
  flush_at(2 * 3'600);  // the 1 s points are gone
  const auto history = read(kStartMs + 65'000, kStartMs + 185'500, 0);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_TRUE(history->rounded);
  EXPECT_EQ(history->from_ms, kStartMs + 60'000);
  EXPECT_EQ(history->to_ms, kStartMs + 190'000);
  EXPECT_EQ(history->resolution_ms, 10'000);
  ASSERT_EQ(history->points.size(), 1U);
  expect_equal(history->points[0], merged_seconds(60, 190));
}

TEST_F(StoreTest, a_point_that_comes_late_is_rolled_up_again) {
  open();
  write(0, 30);
  write(31, 120);
  write(30, 31);
  flush_at(122);
  const auto history = read(kStartMs, kStartMs + kMinuteMs, 0);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->resolution_ms, kMinuteMs);
  ASSERT_EQ(history->points.size(), 1U);
  expect_equal(history->points[0], merged_seconds(0, 60));
}

TEST_F(StoreTest, two_points_of_one_step_are_merged) {
  open();
  write(0, 1);
  write(0, 1);
  const auto history = read(kStartMs, kStartMs + 1'000, 0);
  ASSERT_TRUE(history) << history.error().message;
  ASSERT_EQ(history->points.size(), 1U);
  EXPECT_EQ(history->points[0].total.queries, 4U);
}

TEST_F(StoreTest, each_tier_is_kept_as_long_as_it_says) {
  open();
  write(0, 600);
  const auto resolution = [&](std::int64_t hours) {
    flush_at(hours * 3'600);
    const auto history = read(kStartMs, kStartMs + 10 * kMinuteMs, 1'000);
    EXPECT_TRUE(history) << history.error().message;
    // Nothing is left: no points at all.
    return history && !history->points.empty() ? history->resolution_ms : 0;
  };
  EXPECT_EQ(resolution(1), 1'000);  // an hour ago begins exactly at the first point
  EXPECT_EQ(resolution(2), 10'000);
  EXPECT_EQ(resolution(24), 10'000);
  EXPECT_EQ(resolution(25), 60'000);
  EXPECT_EQ(resolution(30 * 24), 60'000);
  EXPECT_EQ(resolution(31 * 24), 0);
  const auto targets = store_->targets();
  ASSERT_TRUE(targets);
  EXPECT_TRUE(targets->empty());
}

TEST_F(StoreTest, a_point_older_than_the_fine_tier_reaches_is_left_out_and_counted) {
  open();
  write(0, 60);
  flush_at(2 * 3'600);
  store_->add("engine", make_second(3));
  flush_at(2 * 3'600 + 1);
  EXPECT_EQ(store_->counters().late_points, 1U);
  EXPECT_EQ(store_->counters().written_points, 60U);
}

TEST_F(StoreTest, reopened_with_all_it_had) {
  open();
  write(0, 75);
  store_->put_state("availability", std::string("a\0b", 3));
  open();
  const auto state = store_->get_state("availability");
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(*state, std::string("a\0b", 3));
  // The minute that was open when the store was closed is rolled up by the next one.
  write(75, 130);
  const auto history = read(kStartMs, kStartMs + 2 * kMinuteMs, kMinuteMs);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->resolution_ms, kMinuteMs);
  ASSERT_EQ(history->points.size(), 2U);
  expect_equal(history->points[0], merged_seconds(0, 60));
  expect_equal(history->points[1], merged_seconds(60, 120));
}

TEST_F(StoreTest, the_last_value_of_a_state_wins_before_and_after_it_is_written) {
  open();
  store_->put_state("key", "one");
  ASSERT_TRUE(store_->flush());
  store_->put_state("key", "two");
  EXPECT_EQ(*store_->get_state("key"), "two");
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(*store_->get_state("key"), "two");
  EXPECT_EQ(*store_->get_state("other"), std::nullopt);
}

TEST_F(StoreTest, the_newest_point_is_there_at_once_and_after_a_restart) {
  open();
  EXPECT_EQ(store_->get_current_performance("engine"), nullptr);
  store_->add("engine", make_second(7));
  ASSERT_NE(store_->get_current_performance("engine"), nullptr);
  expect_equal(*store_->get_current_performance("engine"), make_second(7));
  open();
  ASSERT_NE(store_->get_current_performance("engine"), nullptr);
  expect_equal(*store_->get_current_performance("engine"), make_second(7));
}

TEST_F(StoreTest, recent_snapshots_are_the_fine_points_of_the_window) {
  open();
  write(0, 100);
  now_ms_ = kStartMs + 100'000;
  const auto points = store_->get_recent_snapshots("engine", 10'000);
  ASSERT_TRUE(points) << points.error().message;
  ASSERT_EQ(points->size(), 10U);
  for (std::int64_t i = 0; i < 10; ++i) {
    const Point& point = points->at(static_cast<std::size_t>(i));
    EXPECT_EQ(point.begin_ms, kStartMs + (90 + i) * 1'000);
    expect_equal(point, make_second(90 + i));
  }
}

TEST_F(StoreTest, targets_and_types_by_name) {
  open();
  write(0, 11, "b");
  write(0, 70, "a");
  const auto targets = store_->targets();
  ASSERT_TRUE(targets);
  EXPECT_THAT(*targets, ElementsAre("a", "b"));
  const auto types = store_->types("a");
  ASSERT_TRUE(types);
  EXPECT_THAT(*types, ElementsAre("read", "write"));
  EXPECT_TRUE(store_->types("nobody")->empty());
}

TEST_F(StoreTest, another_reader_sees_what_is_written_while_the_store_runs) {
  open();
  write(0, 10);
  auto reader = Store::open_read_only(options_);
  ASSERT_TRUE(reader) << reader.error().message;
  write(10, 70);
  const auto history = reader->history({"engine", kStartMs, kStartMs + kMinuteMs, 0, std::nullopt, true});
  ASSERT_TRUE(history) << history.error().message;
  ASSERT_EQ(history->points.size(), 1U);
  expect_equal(history->points[0], merged_seconds(0, 60));
}

TEST_F(StoreTest, only_the_owner_may_read_the_file) {
  open();
  write(0, 1);
  struct stat status {};
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ASSERT_EQ(::stat((options_.path + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777, 0600U) << suffix;
  }
}

TEST_F(StoreTest, steps_one_after_the_other_are_the_same_as_all_at_once) {
  open();
  write(0, 333);
  HistoryQuery query;
  query.target = "engine";
  query.from_ms = kStartMs;
  query.to_ms = kStartMs + 400'000;
  query.step_ms = 2'000;
  query.all_types = true;
  std::vector<Point> points;
  const auto window = store_->for_each_step(query, [&](const Point& point) { points.push_back(point); });
  ASSERT_TRUE(window) << window.error().message;
  EXPECT_TRUE(window->points.empty());
  EXPECT_EQ(window->resolution_ms, 1'000);
  ASSERT_EQ(points.size(), 167U);
  for (std::int64_t i = 0; i < 167; ++i) {
    const Point& point = points[static_cast<std::size_t>(i)];
    EXPECT_EQ(point.begin_ms, kStartMs + i * 2'000);
    EXPECT_EQ(point.length_ms, 2'000);
    expect_equal(point, merged_seconds(2 * i, std::min<std::int64_t>(2 * i + 2, 333)));
  }
}

TEST_F(StoreTest, parts_that_are_not_asked_for_are_left_out_and_the_others_are_right) {
  open();
  write(0, 120);
  const auto first_minute = [&](const PointParts& parts, const std::optional<std::string>& type) {
    HistoryQuery query{"engine", kStartMs, kStartMs + kMinuteMs, 0, type, !type};
    query.parts = parts;
    const auto history = store_->history(query);
    EXPECT_TRUE(history) << history.error().message;
    EXPECT_EQ(history->points.size(), 1U);
    return history->points[0];
  };
  Point expected = merged_seconds(0, 60);
  expected.begin_ms = kStartMs;
  expected.gauges["other"] = {1, 1, 1, 1};
  store_->add("engine", expected);  // a second gauge, in the first second
  flush_at(123);
  expected = merged_seconds(0, 60);
  merge(expected, merged_seconds(0, 60));
  const Point gauge = first_minute({false, false, {"target_metrics.cpu_usage", "no such gauge"}}, std::nullopt);
  ASSERT_EQ(gauge.gauges.size(), 1U);
  EXPECT_EQ(gauge.gauges.at("target_metrics.cpu_usage").sum, expected.gauges.at("target_metrics.cpu_usage").sum);
  EXPECT_TRUE(gauge.total.histogram.empty());
  EXPECT_TRUE(gauge.types.at("write").histogram.empty());
  EXPECT_EQ(gauge.total.queries, 132U);
  EXPECT_EQ(gauge.types.at("write").wait_ns, expected.types.at("write").wait_ns);
  const Point histogram = first_minute({true, false, {}}, std::nullopt);
  EXPECT_TRUE(histogram.gauges.empty());
  expect_equal(histogram.total, expected.total);
  const Point write = first_minute({false, true, {}}, "write");
  EXPECT_EQ(write.types.at("write").queries, 12U);
  EXPECT_TRUE(write.types.at("write").histogram.empty());
}

TEST_F(StoreTest, a_question_that_takes_too_long_ends) {
  options_.longest_read_ms = 0;
  open();
  for (std::int64_t second = 0; second < 3'000; ++second) {
    store_->add("engine", make_second(second));
    if (second % 300 == 299) flush_at(second);
  }
  for (int i = 0; i < 2; ++i) {
    const auto late = read(kStartMs, kStartMs + 3'000'000, 1'000);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ETIMEDOUT);
    EXPECT_THAT(late.error().message, testing::HasSubstr("shorter window"));
  }
}

TEST_F(StoreTest, a_service_that_stops_waits_for_no_question) {
  open();
  for (std::int64_t second = 0; second < 300; ++second) store_->add("engine", make_second(second));
  flush_at(299);
  EXPECT_TRUE(read(kStartMs, kStartMs + 300'000, 1'000));
  store_->stop_reading();
  const auto stopped = read(kStartMs, kStartMs + 300'000, 1'000);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ECANCELED);
}

TEST_F(StoreTest, windows_that_make_no_sense_are_refused) {
  open();
  EXPECT_FALSE(read(kStartMs, kStartMs, 0));
  EXPECT_FALSE(read(kStartMs, kStartMs + 1, -1));
  EXPECT_TRUE(read(kStartMs, kStartMs + 11'000'000, 1'000));
  EXPECT_FALSE(read(kStartMs, kStartMs + 11'001'000, 1'000));
}

}  // namespace
}  // namespace outrider
