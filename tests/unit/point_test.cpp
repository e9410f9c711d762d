// Points of history: made from a snapshot and its counters, merged, and put on the grid.
#include "userspace/model/point.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

TypeFigures figures(std::uint64_t queries, std::uint64_t failed, std::uint64_t ns) {
  TypeFigures type;
  type.queries = type.timed = queries;
  type.failed = failed;
  type.duration_ns = queries * ns;
  type.max_ns = ns;
  type.cache_hits = 2 * queries;
  type.cache_misses = queries;
  type.histogram = {{outrider_hist_index(ns), queries}};
  return type;
}

Snapshot make_snapshot() {
  Snapshot snapshot;
  snapshot.timestamp_ms = 1'700'000'005'010;
  snapshot.interval_seconds = 2;
  snapshot.overhead.sampled_share = 0.25;
  snapshot.health_score = 80;
  snapshot.query_metrics.peak_concurrent = 7;
  snapshot.target_metrics.cpu_usage = 12.5;
  snapshot.target_metrics.disk_read_mb = 6;
  return snapshot;
}

TEST(Grid, rounds_towards_the_past_and_the_future_before_1970_too) {
  EXPECT_EQ(floor_to_step(12'345, 1'000), 12'000);
  EXPECT_EQ(floor_to_step(12'000, 1'000), 12'000);
  EXPECT_EQ(floor_to_step(-1, 1'000), -1'000);
  EXPECT_EQ(floor_to_step(-1'000, 1'000), -1'000);
  EXPECT_EQ(ceil_to_step(12'345, 1'000), 13'000);
  EXPECT_EQ(ceil_to_step(12'000, 1'000), 12'000);
  EXPECT_EQ(ceil_to_step(-1, 1'000), 0);
}

TEST(MakePoint, lies_on_the_step_that_holds_the_middle_of_the_interval) {
  // 5.010 s, less half of two seconds: 4.010 s.
  EXPECT_EQ(make_point(make_snapshot(), {}).begin_ms, 1'700'000'004'000);
  EXPECT_EQ(make_point(make_snapshot(), {}, 10'000).begin_ms, 1'700'000'000'000);
  // One second each, read some milliseconds early and late: the same step as on time.
  Snapshot snapshot = make_snapshot();
  snapshot.interval_seconds = 1;
  for (const std::int64_t late : {-30, 0, 30}) {
    snapshot.timestamp_ms = 1'700'000'005'000 + late;
    EXPECT_EQ(make_point(snapshot, {}).begin_ms, 1'700'000'004'000) << late;
  }
}

TEST(MakePoint, totals_are_the_outermost_queries_and_types_are_all) {
  TargetFigures interval;
  interval.types[{"read", false}] = figures(10, 1, 1'000'000);
  interval.types[{"read", true}] = figures(4, 0, 500'000);
  interval.types[{"idle", false}] = {};
  interval.cache_hits = 5;
  interval.losses[0] = 3;
  const Point point = make_point(make_snapshot(), interval);
  EXPECT_EQ(point.total.queries, 10U);
  EXPECT_EQ(point.total.failed, 1U);
  ASSERT_EQ(point.types.size(), 1U);
  EXPECT_EQ(point.types.at("read").queries, 14U);
  EXPECT_EQ(point.types.at("read").duration_ns, 12'000'000U);
  EXPECT_EQ(point.types.at("read").max_ns, 1'000'000U);
  EXPECT_EQ(point.cache_hits, 5U + 20 + 8);
  EXPECT_EQ(point.cache_misses, 10U + 4);
  EXPECT_EQ(point.losses, 3U);
  EXPECT_EQ(point.seconds, 2);
  EXPECT_EQ(point.watched_seconds, 0.5);
  EXPECT_EQ(point.peak_concurrent, 7);
}

TEST(MakePoint, gauges_are_weighed_with_time_and_amounts_stay_amounts) {
  const Point point = make_point(make_snapshot(), {});
  const Gauge& cpu = point.gauges.at("target_metrics.cpu_usage");
  EXPECT_EQ(cpu.sum, 25);
  EXPECT_EQ(cpu.seconds, 2);
  const Gauge& read = point.gauges.at("target_metrics.disk_read_mb");
  EXPECT_EQ(read.sum, 6);
  EXPECT_EQ(read.max, 3);                                              // MiB a second
  EXPECT_FALSE(point.gauges.contains("target_metrics.memory_usage"));  // not known
}

TEST(MakePoint, without_time_there_are_no_gauges_and_an_unknown_peak_stays_unknown) {
  Snapshot snapshot = make_snapshot();
  snapshot.interval_seconds = 0;
  snapshot.query_metrics.peak_concurrent = std::nullopt;
  const Point point = make_point(snapshot, {});
  EXPECT_TRUE(point.gauges.empty());
  EXPECT_EQ(point.peak_concurrent, -1);
}

TEST(MergePoint, sums_add_up_and_extremes_stay) {
  Point into, more;
  into.begin_ms = 1'000;
  into.seconds = into.watched_seconds = into.up_seconds = 1;
  into.peak_concurrent = 4;
  into.types["a"] = figures(1, 0, 1 << 20);
  into.gauges["health_score"] = {100, 1, 100, 100};
  more.begin_ms = 2'000;
  more.seconds = 2;
  more.watched_seconds = 1;
  more.down_seconds = 2;
  more.peak_concurrent = -1;
  more.losses = 9;
  more.types["a"] = figures(3, 2, 1 << 20);
  more.types["b"] = figures(5, 0, 1 << 21);
  more.gauges["health_score"] = {100, 2, 40, 60};
  more.gauges["target_metrics.cpu_usage"] = {3, 2, 1, 2};
  merge(into, more);
  EXPECT_EQ(into.begin_ms, 1'000);
  EXPECT_EQ(into.seconds, 3);
  EXPECT_EQ(into.watched_seconds, 2);
  EXPECT_EQ(into.up_seconds, 1);
  EXPECT_EQ(into.down_seconds, 2);
  EXPECT_EQ(into.peak_concurrent, 4);
  EXPECT_EQ(into.losses, 9U);
  EXPECT_EQ(into.types.at("a").queries, 4U);
  EXPECT_EQ(into.types.at("a").failed, 2U);
  ASSERT_EQ(into.types.at("a").histogram.size(), 1U);
  EXPECT_EQ(into.types.at("a").histogram[0].count, 4U);
  EXPECT_EQ(into.types.at("b").queries, 5U);
  const Gauge& health = into.gauges.at("health_score");
  EXPECT_EQ(health.sum, 200);
  EXPECT_EQ(health.seconds, 3);
  EXPECT_EQ(health.min, 40);
  EXPECT_EQ(health.max, 100);
  EXPECT_EQ(into.gauges.at("target_metrics.cpu_usage").min, 1);
}

TEST(MergePoint, a_gauge_without_time_says_nothing) {
  Gauge into{50, 1, 50, 50};
  merge(into, Gauge{});
  EXPECT_EQ(into.min, 50);
  Gauge none;
  merge(none, into);
  EXPECT_EQ(none.min, 50);
}

}  // namespace
}  // namespace outrider
