// When a target was started anew, from steps made by hand.
#include "userspace/service/restarts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/store_points.h"

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kNever = kStartMs + 1'000 * kHourMs;

// A step that begins so many seconds after kStartMs. Readings of the process with the ages min_age to max_age.
Point step(std::int64_t second, std::int64_t length, double min_age, double max_age, double down = 0) {
  Point point;
  point.begin_ms = kStartMs + second * 1'000;
  point.length_ms = length * 1'000;
  point.seconds = static_cast<double>(length);
  point.down_seconds = down;
  point.gauges[Restarts::kGauge] = {max_age, 1, min_age, max_age};
  return point;
}

Point second(std::int64_t index, double age) { return step(index, 1, age, age); }

Point down(std::int64_t second, std::int64_t length = 1) {
  Point point = step(second, length, 0, 0, static_cast<double>(length));
  point.gauges.clear();
  return point;
}

std::vector<std::int64_t> starts(const std::vector<Point>& points, std::int64_t now_ms = kNever) {
  Restarts restarts(now_ms);
  for (const Point& point : points) restarts.add(point);
  std::vector<std::int64_t> after_start;
  for (const std::int64_t time : restarts.times()) after_start.push_back(time - kStartMs);
  return after_start;
}

TEST(Restarts, a_target_that_runs_on_was_not_restarted) {
  EXPECT_THAT(starts({second(0, 0.4), second(1, 1.4), second(2, 2.4)}), IsEmpty());
}

// The process was down from second 2 on, and at the end of second 5 the next one is 0.3 s old: started at 5.7 s.
TEST(Restarts, a_start_after_the_target_was_down_is_found_to_the_millisecond) {
  EXPECT_THAT(starts({second(0, 100), second(1, 101), down(2), down(3), down(4), second(5, 0.3), second(6, 1.3)}),
              ElementsAre(5'700));
}

TEST(Restarts, one_within_an_interval_is_found_by_the_age_alone) {
  EXPECT_THAT(starts({second(0, 100), second(1, 0.25), second(2, 1.25)}), ElementsAre(1'750));
}

TEST(Restarts, one_that_nobody_watched_is_told_when_it_was) {
  // The next reading is an hour later, of a process that is half an hour old; the one before was two hours old.
  EXPECT_THAT(starts({second(0, 7'200), second(3'600, 1'800)}), ElementsAre(1'801'000));
}

TEST(Restarts, the_first_process_ever_seen_was_started_if_nothing_ran_before) {
  EXPECT_THAT(starts({down(0), down(1), second(2, 0.5)}), ElementsAre(2'500));
  EXPECT_THAT(starts({second(2, 0.5), second(3, 1.5)}), IsEmpty()) << "perhaps something ran before";
}

// Of several processes the oldest ends: the next oldest has been there for long.
TEST(Restarts, a_worker_that_outlives_the_oldest_process_is_no_restart) {
  EXPECT_THAT(starts({second(100, 90), second(101, 91), second(102, 40), second(103, 41)}), IsEmpty());
}

TEST(Restarts, in_a_long_step_the_next_one_tells_the_start) {
  // Down from 70 to 75 s, and up again: the first step of a minute has both ages, the second only the new one.
  EXPECT_THAT(starts({step(0, 60, 940, 1'000), step(60, 60, 1, 1'010, 5), step(120, 60, 46, 105)}),
              ElementsAre(75'000));
}

TEST(Restarts, a_start_that_two_steps_see_is_one) {
  EXPECT_THAT(starts({down(0, 60), step(60, 60, 1, 40, 20), step(120, 60, 41, 100)}), ElementsAre(80'000));
}

TEST(Restarts, each_of_several_is_found) {
  EXPECT_THAT(
      starts({second(0, 50), down(1), second(2, 0.5), second(3, 1.5), second(10, 8.5), down(11), second(12, 0.1)}),
      ElementsAre(2'500, 12'900));
}

TEST(Restarts, a_clock_that_is_set_forward_is_none) {
  EXPECT_THAT(starts({second(0, 100), second(3'600, 101), second(3'601, 102)}), IsEmpty());
}

// Readings each minute, asked for in steps of ten seconds: that of second 120 lies at 90 s, and the process is 20 s
// old.
TEST(Restarts, an_interval_longer_than_a_step_was_read_half_an_interval_later) {
  const auto minute = [](std::int64_t middle, double age) {
    Point point = step(middle, 10, age, age);
    point.seconds = 60;
    return point;
  };
  EXPECT_THAT(starts({minute(30, 1'000), minute(90, 20), minute(150, 80)}), ElementsAre(100'000));
}

TEST(Restarts, a_step_that_is_not_over_ends_now) {
  EXPECT_THAT(starts({step(0, 60, 100, 159), down(60, 60), step(120, 60, 0, 4)}, kStartMs + 130'000),
              ElementsAre(126'000));
}

}  // namespace
}  // namespace outrider
