// History from end to end at one resolution, and points of it as detectors see them.
#include "userspace/history/every_point.h"

#include <gtest/gtest.h>

#include "tests/unit/store_points.h"
#include "userspace/detect/point_sample.h"

namespace outrider {
namespace {

/// History that keeps a point each `resolution_ms`, and remembers what it was asked.
struct MadeHistory {
  std::int64_t resolution_ms = 1'000;
  std::vector<HistoryQuery> asked;

  HistorySource source() {
    HistorySource source;
    source.history = [this](const HistoryQuery& query) -> Result<History> {
      return answer(query, [](const Point&) {});
    };
    source.for_each_step = [this](const HistoryQuery& query, const VisitStep& visit) -> Result<History> {
      return answer(query, visit);
    };
    return source;
  }

  Result<History> answer(const HistoryQuery& query, const VisitStep& visit) {
    asked.push_back(query);
    if (query.target != "engine") return Error{"there is no such history"};
    History history;
    history.resolution_ms = resolution_ms;
    history.step_ms = std::max(query.step_ms, resolution_ms);
    for (std::int64_t at = query.from_ms; at < query.to_ms; at += history.step_ms) {
      Point point = make_second(0, at);
      point.length_ms = history.step_ms;
      visit(point);
    }
    return history;
  }
};

std::vector<std::int64_t> begins(MadeHistory& made, std::int64_t from_ms, std::int64_t to_ms) {
  std::vector<std::int64_t> begins;
  const auto step = for_each_point(made.source(), "engine", from_ms, to_ms, {}, [&](const Point& point) {
    begins.push_back(point.begin_ms);
    EXPECT_EQ(point.length_ms, made.resolution_ms);
  });
  EXPECT_EQ(step ? *step : 0, made.resolution_ms);
  return begins;
}

TEST(EveryPoint, each_point_comes_once_and_in_order_over_several_reads) {
  MadeHistory made;
  const std::vector<std::int64_t> found = begins(made, kStartMs, kStartMs + 2 * kHourMs + 5'000);
  ASSERT_EQ(found.size(), 7'205U);
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], kStartMs + 1'000 * static_cast<std::int64_t>(i));
  for (const HistoryQuery& query : made.asked)
    EXPECT_LE((query.to_ms - query.from_ms) / query.step_ms, kMaxHistorySteps);
}

TEST(EveryPoint, the_whole_window_has_the_resolution_of_its_oldest_part) {
  MadeHistory made{10'000, {}};
  EXPECT_EQ(begins(made, kStartMs, kStartMs + kHourMs).size(), 360U);
}

TEST(EveryPoint, the_begin_is_rounded_to_the_minute_before_it) {
  MadeHistory made;
  EXPECT_EQ(begins(made, kStartMs + 59'999, kStartMs + kMinuteMs + 1'000).front(), kStartMs);
}

TEST(EveryPoint, no_history_and_no_window_are_errors) {
  MadeHistory made;
  const auto ignore = [](const Point&) {};
  EXPECT_FALSE(for_each_point(made.source(), "other", kStartMs, kStartMs + 1, {}, ignore));
  EXPECT_FALSE(for_each_point(made.source(), "engine", kStartMs, kStartMs, {}, ignore));
}

TEST_F(StoreTest, each_second_of_a_store_is_a_sample_once) {
  open();
  write(0, 130);
  auto reader = Store::open_read_only(options_);
  ASSERT_TRUE(reader) << reader.error().message;
  HistorySource source;
  source.history = [&](const HistoryQuery& query) { return reader->history(query); };
  source.for_each_step = [&](const HistoryQuery& query, const VisitStep& visit) {
    return reader->for_each_step(query, visit);
  };
  std::vector<DetectorSample> samples;
  const auto step = for_each_point(source, "engine", kStartMs, kStartMs + kHourMs, {},
                                   [&](const Point& point) { samples.push_back(sample_of(point)); });
  ASSERT_TRUE(step) << step.error().message;
  EXPECT_EQ(*step, 1'000);
  ASSERT_EQ(samples.size(), 130U);
  EXPECT_EQ(samples[0].time_ms, kStartMs + 1'000);
  EXPECT_EQ(samples[129].time_ms, kStartMs + 130'000);
  EXPECT_DOUBLE_EQ(samples[0].queries_per_second.value(), 2);
  EXPECT_DOUBLE_EQ(samples[129].queries_per_second.value(), 1);
}

TEST(PointSample, figures_are_those_of_a_snapshot_at_the_steps_end) {
  Point point = make_second(0);  // one query of 2^20 ns, and one of 2^24 ns that failed
  point.gauges["system_metrics.cpu_usage"] = {40, 1, 40, 40};
  point.gauges["target_metrics.memory_used_mb"] = {2048, 1, 2048, 2048};
  const DetectorSample sample = sample_of(point);
  EXPECT_EQ(sample.time_ms, kStartMs + 1'000);
  EXPECT_DOUBLE_EQ(sample.seconds, 1);
  EXPECT_DOUBLE_EQ(sample.queries_per_second.value(), 2);
  EXPECT_DOUBLE_EQ(sample.avg_response_time_seconds.value(), 8'912'896e-9);
  EXPECT_NEAR(sample.p95_response_time_seconds.value(), kSlowSeconds, 0.02 * kSlowSeconds);
  EXPECT_DOUBLE_EQ(sample.error_rate.value(), 0.5);
  EXPECT_DOUBLE_EQ(sample.cpu_usage.value(), 40);
  EXPECT_DOUBLE_EQ(sample.memory_used_mb.value(), 2048);
  EXPECT_DOUBLE_EQ(sample.cache_hit_rate.value(), 0.75);
}

TEST(PointSample, a_step_without_queries_has_no_latency) {
  Point point;
  point.begin_ms = kStartMs;
  point.length_ms = 1'000;
  point.seconds = point.watched_seconds = 1;
  const DetectorSample sample = sample_of(point);
  EXPECT_FALSE(sample.avg_response_time_seconds);
  EXPECT_FALSE(sample.error_rate);
  EXPECT_FALSE(sample.cpu_usage);
  EXPECT_DOUBLE_EQ(sample.queries_per_second.value(), 0);
}

}  // namespace
}  // namespace outrider
