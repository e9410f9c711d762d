// When readings are due: on the wall clock's grid, and counted where they were not.
#include "userspace/service/schedule.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

using std::chrono::milliseconds;

/// Both clocks `at` after a wall clock's full second.
Schedule::Now moment(milliseconds at) {
  constexpr std::chrono::seconds kWall{1'700'000'000};
  return {Schedule::Clock::time_point(std::chrono::seconds(50) + at), Schedule::Wall::time_point(kWall + at)};
}

TEST(Schedule, the_first_reading_is_on_the_grid_and_half_an_interval_away_at_least) {
  Schedule schedule;
  schedule.add(1, milliseconds(1'000), moment(milliseconds(300)));
  EXPECT_EQ(schedule.next(), moment(milliseconds(1'000)).steady);
  schedule.add(1, milliseconds(1'000), moment(milliseconds(700)));
  EXPECT_EQ(schedule.next(), moment(milliseconds(2'000)).steady);
}

TEST(Schedule, what_is_late_is_told_and_goes_back_to_the_grid) {
  Schedule schedule;
  schedule.add(1, milliseconds(1'000), moment(milliseconds(0)));
  EXPECT_TRUE(schedule.take(moment(milliseconds(999))).entries.empty());
  const auto due = schedule.take(moment(milliseconds(1'200)));
  EXPECT_EQ(due.entries, std::set<std::uint32_t>{1});
  EXPECT_EQ(due.missed, 0U);
  EXPECT_EQ(due.lag, milliseconds(200));
  EXPECT_EQ(schedule.next(), moment(milliseconds(2'000)).steady);
}

TEST(Schedule, intervals_that_nobody_read_are_counted) {
  Schedule schedule;
  schedule.add(1, milliseconds(1'000), moment(milliseconds(0)));
  EXPECT_EQ(schedule.take(moment(milliseconds(4'100))).missed, 3U);  // those that ended at 2, 3 and 4 s
  EXPECT_EQ(schedule.next(), moment(milliseconds(5'000)).steady);
}

TEST(Schedule, an_entry_that_reads_nothing_is_no_reading) {
  Schedule schedule;
  schedule.add(1, milliseconds(1'000), moment(milliseconds(0)));
  schedule.add(2, milliseconds(1'000), moment(milliseconds(0)), false);
  const auto due = schedule.take(moment(milliseconds(3'100)));
  EXPECT_EQ(due.entries, (std::set<std::uint32_t>{1, 2}));
  EXPECT_EQ(due.readings, 1U);
  EXPECT_EQ(due.missed, 2U);
}

TEST(Schedule, each_entry_keeps_its_own_interval) {
  Schedule schedule;
  schedule.add(1, milliseconds(1'000), moment(milliseconds(0)));
  schedule.add(2, milliseconds(5'000), moment(milliseconds(0)));
  for (int second = 1; second < 5; ++second) {
    EXPECT_EQ(schedule.take(moment(milliseconds(second * 1'000))).entries, std::set<std::uint32_t>{1});
  }
  EXPECT_EQ(schedule.take(moment(milliseconds(5'000))).entries, (std::set<std::uint32_t>{1, 2}));
  schedule.remove(1);
  EXPECT_EQ(schedule.next(), moment(milliseconds(10'000)).steady);
}

TEST(Schedule, a_clock_that_is_set_shifts_one_reading) {
  Schedule schedule;
  schedule.add(1, milliseconds(1'000), moment(milliseconds(0)));
  Schedule::Now set = moment(milliseconds(1'000));
  set.wall += milliseconds(300);
  EXPECT_EQ(schedule.take(set).missed, 0U);
  EXPECT_EQ(schedule.next(), moment(milliseconds(1'700)).steady);
}

TEST(Schedule, nothing_is_due_without_entries) { EXPECT_EQ(Schedule().next(), Schedule::Clock::time_point::max()); }

}  // namespace
}  // namespace outrider
