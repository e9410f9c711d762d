// Detectors on series made by hand: what they must find, and what they must not.
#include "userspace/detect/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "userspace/detect/load_baseline.h"
#include "userspace/detect/zscore_detector.h"

namespace outrider {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;

/// One engine under one detector, a second at a time. Its latency wobbles by +-5 %, in a pattern of 7 seconds.
class Bench {
 public:
  explicit Bench(const char* detector = "default") : detector_(*make_detector(detector)) {}

  void pass(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      DetectorSample row = sample;
      row.time_ms = kStart + 1'000 * ++second_;
      const double wobble = 1 + 0.05 * std::sin(static_cast<double>(second_ % 7));
      if (row.avg_response_time_seconds) *row.avg_response_time_seconds *= wobble;
      if (row.p95_response_time_seconds) *row.p95_response_time_seconds *= wobble;
      detector_->observe(row, events);
    }
  }
  [[nodiscard]] std::vector<std::string> opened() const { return arms(IncidentEvent::What::kOpen); }
  [[nodiscard]] std::vector<std::string> closed() const { return arms(IncidentEvent::What::kClose); }

  DetectorSample sample{0, 1, 0.010, 0.030, 0.001, 200, 30, 4096, 0.9};
  std::vector<IncidentEvent> events;

 private:
  [[nodiscard]] std::vector<std::string> arms(IncidentEvent::What what) const {
    std::vector<std::string> found;
    for (const IncidentEvent& event : events) {
      if (event.what == what) found.push_back(event.arm + " " + event.metric);
    }
    return found;
  }

  std::unique_ptr<Detector> detector_;
  std::int64_t second_ = 0;
};

TEST(Detector, an_unknown_name_is_refused_with_those_that_there_are) {
  const auto made = make_detector("magic");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, testing::HasSubstr("default, zscore or none"));
}

TEST(Detector, an_even_day_raises_nothing) {
  Bench bench;
  bench.pass(86'400);
  EXPECT_TRUE(bench.events.empty());
}

TEST(Detector, a_lasting_shift_is_found_and_then_taken_for_normal) {
  Bench bench;
  bench.pass(1'800);
  *bench.sample.avg_response_time_seconds *= 1.2;
  bench.pass(300);
  ASSERT_THAT(bench.opened(), testing::ElementsAre("shift query_metrics.avg_response_time_seconds"));
  const IncidentEvent& event = bench.events.front();
  EXPECT_NEAR(event.expected, 0.010, 0.0006);
  EXPECT_NEAR(*event.effect_percent(), 20, 6);
  EXPECT_THAT(event.text, testing::HasSubstr("at this load"));
  bench.pass(1'200);
  EXPECT_EQ(bench.closed().size(), 1U);
  bench.pass(3'600);  // it is the level now
  EXPECT_EQ(bench.opened().size(), 1U);
}

TEST(Detector, ten_slow_seconds_are_a_spike_and_two_are_not) {
  Bench bench;
  bench.pass(1'800);
  const double usual = *bench.sample.p95_response_time_seconds;
  bench.sample.p95_response_time_seconds = 3 * usual;
  bench.pass(2);
  bench.sample.p95_response_time_seconds = usual;
  bench.pass(120);
  EXPECT_TRUE(bench.events.empty());
  bench.sample.p95_response_time_seconds = 3 * usual;
  bench.pass(10);
  EXPECT_THAT(bench.opened(), testing::ElementsAre("spike query_metrics.p95_response_time_seconds"));
  bench.sample.p95_response_time_seconds = usual;
  bench.pass(120);
  EXPECT_EQ(bench.closed(), bench.opened());
}

// 200 and 800 queries a second by turns, with ten minutes from one to the other; latency goes with the load.
TEST(Detector, a_load_that_was_seen_before_excuses_its_latency) {
  Bench bench;
  for (int second = 0; second < 12 * 3'600; ++second) {
    const double phase = static_cast<double>(second % 7'200) / 600;  // 12 parts: 1 up, 5 busy, 1 down, 5 quiet
    const double busy = phase < 5 ? 0 : phase < 6 ? phase - 5 : phase < 11 ? 1 : 12 - phase;
    bench.sample.queries_per_second = 200 * std::pow(4, busy);
    bench.sample.avg_response_time_seconds = 0.010 * std::pow(1.4, busy);
    bench.sample.p95_response_time_seconds = 0.030 * std::pow(1.4, busy);
    bench.pass(1);
  }
  for (const IncidentEvent& event : bench.events) EXPECT_LT(event.at_ms, kStart + 2 * 3'600'000) << event.text;
}

TEST(Detector, errors_a_fall_of_traffic_a_cold_cache_and_a_busy_processor) {
  Bench bench;
  bench.pass(1'800);
  bench.sample.error_rate = 0.05;
  bench.pass(10);
  EXPECT_THAT(bench.opened(), testing::ElementsAre("errors query_metrics.error_rate"));
  bench.sample.error_rate = 0.001;
  bench.pass(300);
  bench.sample.queries_per_second = 40;
  bench.pass(60);
  EXPECT_EQ(bench.opened().back(), "drop query_metrics.queries_per_second");
  bench.sample.queries_per_second = 200;
  bench.pass(600);
  bench.sample.cache_hit_rate = 0.5;
  bench.pass(60);
  EXPECT_EQ(bench.opened().back(), "shift cache_metrics.hit_rate");
  bench.sample.cache_hit_rate = 0.9;
  bench.pass(600);
  bench.sample.cpu_usage = 95;
  bench.pass(59);
  EXPECT_EQ(bench.opened().size(), 3U);
  bench.pass(3);
  EXPECT_EQ(bench.opened().back(), "limit system_metrics.cpu_usage");
  bench.sample.cpu_usage = 30;
  bench.pass(120);
  EXPECT_EQ(bench.closed().size(), 4U);
}

TEST(Detector, a_host_that_was_never_below_the_limit_is_held_against_the_limit) {
  Bench bench;
  bench.sample.cpu_usage = 100;
  bench.pass(62);
  ASSERT_EQ(bench.opened(), (std::vector<std::string>{"limit system_metrics.cpu_usage"}));
  EXPECT_EQ(bench.events.front().expected, 85);
}

TEST(Detector, a_load_that_ebbs_slowly_is_no_fall) {
  Bench bench;
  bench.pass(3'600);
  for (int i = 600; i > 0; --i) {
    bench.sample.queries_per_second = 200 * i / 600.0;
    bench.pass(1);
  }
  EXPECT_TRUE(bench.events.empty());
}

TEST(Detector, a_leak_is_found_and_a_sawtooth_is_none) {
  Bench leak;
  Bench saw;
  for (int second = 0; second < 7'200; ++second) {
    leak.sample.memory_used_mb = 4096 * (1 + 0.25 * second / 3'600);
    leak.pass(1);
    saw.sample.memory_used_mb = 4096 + 1200.0 * (second % 170) / 170;
    saw.pass(1);
  }
  EXPECT_THAT(leak.opened(), testing::ElementsAre("growth target_metrics.memory_used_mb"));
  EXPECT_TRUE(saw.events.empty());
}

TEST(Detector, missing_figures_and_a_clock_that_goes_back_raise_nothing) {
  for (const char* name : {"default", "zscore", "none"}) {
    const auto detector = *make_detector(name);
    std::vector<IncidentEvent> events;
    for (int i = 0; i < 7'200; ++i) {
      DetectorSample sample{kStart + i * 1'000LL, 1, 0.01, 0.03, 0.0, 100, 20, 1000, 0.9};
      if (i % 3 == 1) sample = {sample.time_ms, 1, {}, {}, {}, 0.0, {}, {}, {}};
      if (i > 3'600) sample.time_ms -= 3'600'000;
      detector->observe(sample, events);
    }
    EXPECT_TRUE(events.empty()) << name;
  }
}

// Of 0 .. 9 ms the population deviation is sqrt(8.25) = 2.872 ms.
TEST(Mission, anomaly_detection) {
  ZscoreDetector detector;
  std::vector<IncidentEvent> events;
  DetectorSample sample;
  for (int i = 0; i < 50; ++i) {
    sample.time_ms = kStart + i * 1'000LL;
    sample.avg_response_time_seconds = (20 + i % 10) / 1000.0;
    detector.observe(sample, events);
  }
  EXPECT_TRUE(events.empty());
  sample.time_ms += 1'000;
  sample.avg_response_time_seconds = 0.200;
  detector.observe(sample, events);
  EXPECT_GT(detector.score(), 2);
  EXPECT_NEAR(detector.score(), (200 - 24.5) / std::sqrt(8.25), 1e-6);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events.front().metric, "query_metrics.avg_response_time_seconds");
  EXPECT_NEAR(events.front().expected, 0.0245, 1e-9);
}

TEST(ZscoreDetector, a_figure_that_never_changed_is_scored_at_the_cap) {
  ZscoreDetector detector;
  std::vector<IncidentEvent> events;
  DetectorSample sample;
  sample.avg_response_time_seconds = 0.01;
  for (int i = 0; i < 40; ++i) {
    sample.time_ms += 1'000;
    detector.observe(sample, events);
    EXPECT_EQ(detector.score(), 0);
  }
  sample.time_ms += 1'000;
  sample.avg_response_time_seconds = 0.011;
  detector.observe(sample, events);
  EXPECT_EQ(detector.score(), ZscoreDetector::kCap);
}

TEST(LoadBaseline, levels_lie_between_those_of_the_loads_around) {
  LoadBaseline baseline(100);
  EXPECT_EQ(baseline.expected(64).samples, 0);
  for (int i = 0; i < 20'000; ++i) {
    baseline.learn(64, 1, 10);
    baseline.learn(128, 3, 10);
  }
  EXPECT_NEAR(baseline.expected(64).level, 1, 1e-6);
  EXPECT_NEAR(baseline.expected(128).level, 3, 1e-6);
  EXPECT_NEAR(baseline.expected(64 * std::sqrt(2)).samples, 0, 1e-6);  // a cell of its own
  EXPECT_EQ(baseline.expected(4096).samples, 0);
  baseline.shift(1);
  EXPECT_NEAR(baseline.expected(64).level, 2, 1e-6);
}

}  // namespace
}  // namespace outrider
