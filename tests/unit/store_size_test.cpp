// The limit of the history's size: what goes first, and that what is left is whole. Apart from store_test, because the
// thread sanitizer takes a minute for it and has nothing to look for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "tests/unit/store_points.h"
#include "userspace/store/database.h"

namespace outrider {
namespace {

TEST_F(StoreTest, size_cap_costs_the_oldest_fine_points_first) {
  options_.max_bytes = 16 << 20;
  open();
  // Some 5 KB a point: 40 types with a spread of latencies.
  std::map<std::string, TypePoint> types;
  for (std::uint64_t type = 0; type < 40; ++type) {
    TypePoint& figures = types["type " + std::to_string(type)];
    for (std::uint64_t i = 0; i < 32; ++i) add_query(figures, (1000 + type) << (i % 16) | i << 5);
  }
  for (std::int64_t index = 0; index < 3'000; ++index) {
    Point point = make_second(index);
    point.types.insert(types.begin(), types.end());
    store_->add("engine", std::move(point));
    if (index % 100 == 99) {
      flush_at(index);
      EXPECT_LE(store_->counters().file_bytes, options_.max_bytes);
    }
  }
  EXPECT_GE(store_->counters().trims, 1U);
  EXPECT_EQ(store_->counters().dropped_points, 0U);
  const auto recent = store_->get_recent_snapshots("engine", kHourMs);
  ASSERT_TRUE(recent) << recent.error().message;
  ASSERT_FALSE(recent->empty());
  EXPECT_GT(recent->front().begin_ms, kStartMs);
  EXPECT_EQ(recent->back().begin_ms, kStartMs + 2'999'000);
  // What the fine tier lost, the coarse one still has.
  const auto whole = read(kStartMs, kStartMs + 49 * kMinuteMs, 0, "read");
  ASSERT_TRUE(whole) << whole.error().message;
  ASSERT_EQ(whole->points.size(), 1U);
  EXPECT_EQ(whole->points[0].types.at("read").queries, 49U * 60);
}

// Ten minutes of the middle tier and a few of the fine one are a small part of the cap, three hundred minutes of the
// coarse one are not: those have to give way, from their old end.
TEST_F(StoreTest, size_cap_costs_the_oldest_history_before_what_is_recent) {
  options_.max_bytes = 16 << 20;
  options_.tiers = {{1'000, 2 * kMinuteMs}, {10'000, 10 * kMinuteMs}, {kMinuteMs, 30 * 24 * kHourMs}};
  open();
  const auto points = [&](std::int64_t from_ms, std::int64_t to_ms, std::int64_t step_ms) {
    const auto history = read(from_ms, to_ms, step_ms, "read");
    EXPECT_TRUE(history) << history.error().message;
    EXPECT_EQ(history->resolution_ms, step_ms) << "up to " << (to_ms - kStartMs) / kMinuteMs;
    return history->points;
  };
  std::int64_t end = kStartMs;
  for (std::int64_t minute = 0; minute < 300; ++minute) {
    store_->add("engine", make_large_second(60 * minute, 100));
    flush_at(60 * minute + 3);
    ASSERT_LE(store_->counters().file_bytes, options_.max_bytes);
    end += kMinuteMs;
    // The clock stands 57 s before the end: nine whole minutes of the middle tier and one of the fine tier are there.
    if (minute < 20) continue;
    ASSERT_EQ(points(end - 9 * kMinuteMs, end, 10'000).size(), 9U);
    ASSERT_EQ(points(end - 2 * kMinuteMs, end, 1'000).size(), 2U);
  }
  EXPECT_GE(store_->counters().trims, 1U);
  // The oldest are gone, and what is left has no hole: one query in each minute.
  const auto left = points(kStartMs, end, kMinuteMs);
  ASSERT_GT(left.size(), 60U);
  EXPECT_LT(left.size(), 280U);
  EXPECT_EQ(left.front().begin_ms, end - static_cast<std::int64_t>(left.size()) * kMinuteMs);
  for (const Point& point : left) EXPECT_EQ(point.types.at("read").queries, 1U);
}

// Even the recent points do not fit: every tier gives way, and what is left is whole.
TEST_F(StoreTest, a_cap_below_the_recent_points_leaves_the_newest_of_every_tier_without_a_hole) {
  options_.max_bytes = 16 << 20;
  options_.tiers = {{1'000, kHourMs}, {10'000, 2 * kHourMs}, {kMinuteMs, 24 * kHourMs}};
  open();
  constexpr std::int64_t kMinutes = 20;
  for (std::int64_t index = 0; index < kMinutes * 6; ++index) {
    store_->add("engine", make_large_second(10 * index, 400));
    flush_at(10 * index + 3);
  }
  EXPECT_EQ(store_->counters().failed_writes, 0U);
  const std::int64_t end = kStartMs + kMinutes * kMinuteMs;
  for (const std::int64_t step : {std::int64_t{1'000}, std::int64_t{10'000}, kMinuteMs}) {
    const auto history = read(kStartMs, end, step, "read");
    ASSERT_TRUE(history) << history.error().message;
    // A query each ten seconds.
    const std::int64_t distance = std::max<std::int64_t>(history->step_ms, 10'000);
    const auto left = static_cast<std::int64_t>(history->points.size());
    ASSERT_GE(left, 2);
    EXPECT_LT(left * distance, kMinutes * kMinuteMs);
    EXPECT_EQ(history->points.front().begin_ms, end - left * distance);
    for (const Point& point : history->points) {
      EXPECT_EQ(point.types.at("read").queries, static_cast<std::uint64_t>(distance / 10'000));
    }
  }
}

// Two minutes' points at once, as after a pause of the disk: more than what is free between two trims.
TEST_F(StoreTest, a_large_batch_finds_room_below_the_cap) {
  options_.max_bytes = 16 << 20;
  options_.write_interval_ms = 600'000;
  open();
  for (std::int64_t index = 0; index < 1'200; ++index) {
    store_->add("engine", make_large_second(index, 80));
    if (index % 120 == 119) flush_at(index);
  }
  EXPECT_EQ(store_->counters().failed_writes, 0U);
  EXPECT_EQ(store_->counters().written_points, 1'200U);
  EXPECT_LE(store_->counters().file_bytes, options_.max_bytes);
}

class StoreLimit : public StoreTest {
 protected:
  // The log has the other half of the limit.
  static constexpr std::uintmax_t kSmallFile = 8 << 20;

  [[nodiscard]] std::uintmax_t file_size() const { return std::filesystem::file_size(options_.path); }

  void write_next() {
    store_->add("engine", make_large_second(10 * index_, 400));
    flush_at(10 * index_ + 3);
    ++index_;
  }

  /// Until the file is half as large again as the smaller limit will allow; then closes it.
  void fill() {
    options_.max_bytes = 32 << 20;
    open();
    while (index_ < 300 && file_size() < kSmallFile * 3 / 2) write_next();
    EXPECT_EQ(store_->counters().trims, 0U);
    store_.reset();
    ASSERT_GE(file_size(), kSmallFile * 3 / 2);
  }

  void open_with_the_smaller_limit() {
    options_.max_bytes = 16 << 20;
    open();
  }

  std::int64_t index_ = 0;
};

TEST_F(StoreLimit, a_smaller_one_makes_the_file_shrink) {
  fill();
  open_with_the_smaller_limit();
  EXPECT_EQ(store_->take_warning(), "");
  for (int writes = 0; writes < 60; ++writes) write_next();
  EXPECT_EQ(store_->counters().failed_writes, 0U);
  EXPECT_LE(file_size(), kSmallFile);
  EXPECT_LE(store_->counters().file_bytes, options_.max_bytes);
  const std::int64_t end = kStartMs + index_ * 10'000;
  const auto newest = read(end - kMinuteMs, end, 10'000, "read");
  ASSERT_TRUE(newest) << newest.error().message;
  ASSERT_EQ(newest->points.size(), 6U);
  for (const Point& point : newest->points) EXPECT_EQ(point.types.at("read").queries, 1U);
  store_.reset();
  const auto database = Database::open(options_.path, Database::Mode::kReadOnly, 1'000);
  ASSERT_TRUE(database) << database.error().message;
  const auto faults = database->number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'");
  ASSERT_TRUE(faults) << faults.error().message;
  EXPECT_EQ(faults->value_or(-1), 0);
}

TEST_F(StoreLimit, a_smaller_one_is_too_late_for_a_file_of_before_and_that_is_said_once) {
  // One that has a first page already is what older ones are: it cannot be made to shrink any more.
  std::ofstream(options_.path).close();
  {
    auto database = Database::open(options_.path, Database::Mode::kReadWrite, 1'000);
    ASSERT_TRUE(database) << database.error().message;
    const Status done = database->execute("PRAGMA journal_mode = WAL");
    ASSERT_TRUE(done) << done.error().message;
  }
  fill();
  const std::uintmax_t before = file_size();
  open_with_the_smaller_limit();
  EXPECT_THAT(store_->take_warning(), testing::HasSubstr("does not shrink"));
  EXPECT_EQ(store_->take_warning(), "");
  for (int writes = 0; writes < 20; ++writes) write_next();
  EXPECT_EQ(store_->counters().failed_writes, 0U);
  EXPECT_EQ(file_size(), before);
}

}  // namespace
}  // namespace outrider
