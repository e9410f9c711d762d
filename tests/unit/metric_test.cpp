// Figures of a point by name; the expected ones are worked out by hand.
#include "userspace/model/metric.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace outrider {
namespace {

using testing::HasSubstr;

/// 90 queries in [2^20, 2^20 + 2^15) ns and 10 of 2^22 ns, 3 failed, in 20 s of which 10 were watched.
Point make_point() {
  TypePoint type;
  type.queries = type.timed = 100;
  type.failed = 3;
  type.abandoned = 1;
  type.duration_ns = 2'000'000'000;
  type.max_ns = 1 << 22;
  type.cache_hits = 30;
  type.cache_misses = 10;
  type.wait_ns[OUTRIDER_WAIT_CPU] = 500'000'000;
  type.wait_ns[OUTRIDER_WAIT_LOCK] = 1'000'000'000;
  type.histogram = {{outrider_hist_index(1 << 20), 90}, {outrider_hist_index(1 << 22), 10}};
  Point point;
  point.seconds = 20;
  point.watched_seconds = 10;
  point.total = point.types["read"] = type;
  point.cache_hits = 90;
  point.cache_misses = 10;
  point.peak_concurrent = 4;
  point.up_seconds = 19;
  point.losses = 5;
  point.gauges["target_metrics.cpu_usage"] = {400, 20, 10, 30};
  point.gauges["target_metrics.disk_read_mb"] = {64, 20, 0, 9};
  return point;
}

void expect_value(const char* name, double expected, std::optional<std::string_view> type = std::nullopt) {
  const auto value = metric_value(make_point(), name, type);
  ASSERT_TRUE(value) << name;
  EXPECT_DOUBLE_EQ(*value, expected) << name;
}

TEST(Metric, query_figures_by_short_and_full_name) {
  expect_value("queries", 100);
  expect_value("qps", 10);  // of the time that was watched
  expect_value("queries_per_second", 10);
  expect_value("query_metrics.queries_per_second", 10);
  expect_value("failed", 3);
  expect_value("abandoned", 1);
  expect_value("error_rate", 0.03);
  expect_value("success_rate", 0.97);
  expect_value("avg", 0.02);
  expect_value("p50", 1'064'959.5e-9);  // the middle of the bucket's whole numbers: 2^20 + (2^15 - 1) / 2
  expect_value("query_metrics.p50_response_time_seconds", 1'064'959.5e-9);
  expect_value("p95", 4'194'304e-9);  // the longest, which lies in that bucket below its middle
  expect_value("p99", 4'194'304e-9);
  expect_value("p999", 4'194'304e-9);
  expect_value("max", 4'194'304e-9);
  expect_value("processing", 0.005);
  expect_value("p99", 4'194'304e-9, "read");
}

TEST(Metric, waits_as_seconds_and_shares_of_the_wall_time) {
  expect_value("waits.lock_seconds", 1);
  expect_value("waits.lock_share", 0.5);
  expect_value("waits.cpu_share", 0.25);
  expect_value("waits.unattributed_seconds", 0.5);  // 2 s less 0.5 s less 1 s
  expect_value("waits.io_uring_seconds", 0);
  expect_value("query_metrics.waits.lock_share", 0.5, "read");
}

TEST(Metric, figures_of_the_whole_step) {
  expect_value("cache_metrics.hit_rate", 0.9);
  expect_value("cache_hit_rate", 0.75, "read");
  expect_value("peak_concurrent", 4);
  expect_value("up_seconds", 19);
  expect_value("losses", 5);
  expect_value("target_metrics.cpu_usage", 20);     // the mean over time
  expect_value("target_metrics.disk_read_mb", 64);  // the amount
}

TEST(Metric, a_type_without_queries_is_idle_and_has_no_latency) {
  expect_value("queries", 0, "write");
  expect_value("qps", 0, "write");
  EXPECT_FALSE(metric_value(make_point(), "p99", "write"));
  EXPECT_FALSE(metric_value(make_point(), "error_rate", "write"));
}

TEST(Metric, nothing_where_nothing_is_known) {
  EXPECT_FALSE(metric_value(Point(), "qps"));  // not watched
  EXPECT_FALSE(metric_value(Point(), "peak_concurrent"));
  EXPECT_FALSE(metric_value(Point(), "target_metrics.cpu_usage"));
  EXPECT_FALSE(metric_value(Point(), "cache_hit_rate"));
  EXPECT_FALSE(metric_value(make_point(), "no_such_metric"));
  EXPECT_FALSE(metric_value(make_point(), ""));
  EXPECT_FALSE(metric_value(make_point(), "target_metrics.cpu_usage", "read"));  // not of one type
}

TEST(Metric, every_name_is_one_metric_and_has_a_unit) {
  const std::set<std::string> units = {"seconds", "1/s",     "ratio", "percent", "cores",
                                       "MiB",     "queries", "ns",    "points",  "count"};
  std::set<std::string> names;
  for (const MetricInfo& metric : known_metrics()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    if (!metric.short_name.empty() && metric.short_name != metric.name) {
      EXPECT_TRUE(names.insert(metric.short_name).second) << metric.short_name;
    }
    EXPECT_TRUE(units.contains(metric.unit)) << metric.name << " in " << metric.unit;
    ASSERT_NE(find_metric(metric.name), nullptr);
    EXPECT_EQ(find_metric(metric.name)->name, metric.name);
  }
  EXPECT_EQ(find_metric("target_metrics.rss_mb")->unit, "MiB");
  EXPECT_EQ(find_metric("system_metrics.memory_usage")->unit, "ratio");
  EXPECT_EQ(find_metric("target_metrics.cpu_usage")->unit, "percent");
  EXPECT_EQ(find_metric("target_metrics.cpu_cores")->unit, "cores");
  EXPECT_EQ(find_metric("system_metrics.cpu_steal")->unit, "percent");
  EXPECT_EQ(find_metric("p99")->unit, "seconds");
}

TEST(Metric, an_unknown_name_gets_the_known_ones) {
  EXPECT_EQ(find_metric("p98"), nullptr);
  EXPECT_THAT(unknown_metric_message("p98"), HasSubstr("there is no metric \"p98\"; known are: queries, qps"));
  EXPECT_THAT(unknown_metric_message("p98"), HasSubstr("waits.lock_share"));
}

}  // namespace
}  // namespace outrider
