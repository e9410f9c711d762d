// A clock that is set wrong, and right again, costs no history.
#include <gtest/gtest.h>

#include "tests/unit/store_points.h"

namespace outrider {
namespace {

/// A clock that is set, and one that nobody sets.
class StoreClockTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    options_.steady_ms = [this] { return now_ms_.load() - jump_ms_.load(); };
  }

  /// From here on the clock is `ms` ahead of the truth; the points that come are as well.
  void set_ahead(std::int64_t ms) {
    now_ms_ += ms - jump_ms_;
    jump_ms_ = ms;
  }

  std::uint64_t queries_in(std::int64_t from_ms, std::int64_t to_ms) {
    const auto history = read(from_ms, to_ms, 0, "read");
    EXPECT_TRUE(history) << history.error().message;
    return history->points.empty() ? 0 : history->points[0].types.at("read").queries;
  }

  std::atomic<std::int64_t> jump_ms_ = 0;
};

constexpr std::int64_t kDaySeconds = 86'400;

TEST_F(StoreClockTest, a_clock_that_jumps_ahead_and_back_costs_nothing) {
  open();
  write(0, 3'400);
  set_ahead(40 * kDaySeconds * 1'000);
  write(40 * kDaySeconds + 3'403, 40 * kDaySeconds + 3'450);
  EXPECT_EQ(queries_in(kStartMs, kStartMs + 3'400'000), 3'400U);
  set_ahead(0);
  write(3'450, 3'500);
  const auto history = read(kStartMs, kStartMs + 3'500'000, 1'000);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->resolution_ms, 1'000);
  EXPECT_EQ(history->points.size(), 3'450U);
}

TEST_F(StoreClockTest, a_restart_while_the_clock_is_ahead_costs_nothing_either) {
  open();
  write(0, 600);
  set_ahead(40 * kDaySeconds * 1'000);
  write(40 * kDaySeconds + 610, 40 * kDaySeconds + 620);
  open();
  write(40 * kDaySeconds + 630, 40 * kDaySeconds + 640);
  set_ahead(0);
  write(700, 710);
  EXPECT_EQ(queries_in(kStartMs, kStartMs + 10 * kMinuteMs), 600U);
}

TEST_F(StoreClockTest, a_clock_that_stays_ahead_is_believed_after_ten_minutes) {
  open();
  write(0, 60);
  set_ahead(40 * kDaySeconds * 1'000);
  const std::int64_t jumped = 40 * kDaySeconds + 62;
  flush_at(jumped);
  flush_at(jumped + 9 * 60);
  EXPECT_EQ(queries_in(kStartMs, kStartMs + kMinuteMs), 60U);
  flush_at(jumped + 10 * 60);
  EXPECT_EQ(queries_in(kStartMs, kStartMs + kMinuteMs), 0U);
}

TEST_F(StoreClockTest, steps_of_a_future_that_did_not_come_hide_none_that_did) {
  open();
  write(0, 75);
  set_ahead(24 * kHourMs);
  write(kDaySeconds + 80, kDaySeconds + 200);
  set_ahead(0);
  write(80, 150);
  const auto minutes = [&] {
    const auto history = read(kStartMs, kStartMs + 3 * kMinuteMs, kMinuteMs);
    EXPECT_TRUE(history) << history.error().message;
    return history->points;
  };
  const auto expect_minutes = [](const std::vector<Point>& points, std::int64_t end) {
    ASSERT_EQ(points.size(), 3U);
    expect_equal(points[0], merged_seconds(0, 60));
    Point second = merged_seconds(60, 75);
    merge(second, merged_seconds(80, 120));
    expect_equal(points[1], second);
    expect_equal(points[2], merged_seconds(120, end));
  };
  expect_minutes(minutes(), 150);
  // Nor are they taken for what was rolled up last when the store was closed.
  open();
  write(150, 190);
  expect_minutes(minutes(), 180);
  // The fine points go, and the coarse ones have it all.
  flush_at(2 * 3'600);
  expect_minutes(minutes(), 180);
}

// The same seconds come twice: a clock that was a minute ahead is set right.
TEST_F(StoreClockTest, a_step_that_was_rolled_up_too_early_is_read_from_its_finer_points) {
  open();
  write(0, 30);
  set_ahead(kMinuteMs);
  write(90, 123);
  set_ahead(0);
  write(66, 100);
  // The second minute has both: 90 to 119 from when the clock was ahead, and 66 to 99.
  EXPECT_EQ(queries_in(kStartMs + kMinuteMs, kStartMs + 2 * kMinuteMs), 30U + 34U);
}

}  // namespace
}  // namespace outrider
