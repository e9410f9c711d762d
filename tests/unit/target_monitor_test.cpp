// A target's monitor on snapshots made by hand: what people are told, and that it is told once.
#include "userspace/detect/target_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::int64_t kStart = 1'700'000'000'000;

/// A target with the types READ (150/s, 5 ms) and WRITE (50/s, 20 ms), an eighth of whose time are lock waits.
class Target {
 public:
  explicit Target(const MonitorOptions& options = {}) : monitor(*TargetMonitor::make("kg", options)) {
    facts.handle_limit = 1024;
    snapshot.interval_seconds = 1;
    snapshot.target = "kg";
    snapshot.availability = Availability{"up", {}, {}, {}, {}};
    snapshot.target_metrics.memory_used_mb = 4096;
    snapshot.target_metrics.memory_usage = 0.5;
    snapshot.target_metrics.handle_count = 100;
  }

  void pass(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      fill();
      monitor->observe(snapshot, facts, told);
    }
  }
  /// "firing Latency shift", ...
  [[nodiscard]] std::vector<std::string> story() const {
    static constexpr const char* kWhat[] = {"firing ", "worse ", "resolved "};
    std::vector<std::string> story;
    story.reserve(told.size());
    for (const Notice& notice : told) {
      story.push_back(kWhat[static_cast<std::size_t>(notice.what)] + notice.name +
                      (notice.type.empty() ? "" : " of " + notice.type));
    }
    return story;
  }

  double read_seconds = 0.005, write_seconds = 0.020, write_lock_seconds = 0.0025;
  double read_rate = 150, write_rate = 50, error_rate = 0.0005;
  std::int64_t clock_ms = kStart;
  Snapshot snapshot;
  MonitorFacts facts;
  std::vector<Notice> told;
  std::unique_ptr<TargetMonitor> monitor;

 private:
  void fill();
  void fill_type(const char* name, double rate, double seconds, double lock_seconds);

  std::int64_t step_ = 0;
};

void Target::fill_type(const char* name, double rate, double seconds, double lock_seconds) {
  TypeMetrics& type = snapshot.query_metrics.query_type_breakdown[name];
  const double queries = rate * snapshot.interval_seconds;
  type.interval_count = static_cast<std::uint64_t>(queries);
  type.queries_per_second = rate;
  type.avg_response_time_seconds = seconds;
  type.success_rate = 1 - error_rate;
  type.waits = WaitSeconds{};
  (*type.waits)[OUTRIDER_WAIT_LOCK] = lock_seconds * queries;
  (*type.waits)[OUTRIDER_WAIT_CPU] = (seconds - lock_seconds) * queries;
}

void Target::fill() {
  clock_ms += std::llround(snapshot.interval_seconds * 1000);
  snapshot.timestamp_ms = clock_ms;
  const double wobble = 1 + 0.05 * std::sin(static_cast<double>(++step_ % 7));
  QueryMetrics& all = snapshot.query_metrics;
  fill_type("READ", read_rate, read_seconds * wobble, 0);
  fill_type("WRITE", write_rate, write_seconds * wobble, write_lock_seconds * wobble);
  const double rate = read_rate + write_rate;
  all.queries_per_second = rate;
  all.interval_queries = static_cast<std::uint64_t>(rate * snapshot.interval_seconds);
  all.error_rate = error_rate;
  all.avg_response_time_seconds = wobble * (read_rate * read_seconds + write_rate * write_seconds) / rate;
  all.p95_response_time_seconds = 3 * *all.avg_response_time_seconds;
  all.waits = WaitSeconds{};
  for (std::size_t i = 0; i < all.waits->size(); ++i) {
    (*all.waits)[i] = (*all.query_type_breakdown["READ"].waits)[i] + (*all.query_type_breakdown["WRITE"].waits)[i];
  }
}

TEST(TargetMonitor, an_unknown_detector_is_refused) {
  MonitorOptions options;
  options.detector = "magic";
  EXPECT_FALSE(TargetMonitor::make("kg", options));
}

TEST(TargetMonitor, an_even_day_tells_nothing) {
  Target target;
  target.pass(86'400);
  EXPECT_THAT(target.story(), IsEmpty());
}

// 7.5 ms more of lock waits for a quarter of the queries: 8.75 -> 10.625 ms in the mean, +21 %.
TEST(TargetMonitor, a_shift_of_one_type_is_told_once_with_the_type_and_the_wait_that_moved) {
  Target target;
  target.pass(1'800);
  target.write_seconds += 0.0075;
  target.write_lock_seconds += 0.0075;
  target.snapshot.query_metrics.blocking = {{"READ", "", "lock", 9, 2.0, 0.9},  // for none of the target's queries
                                            {"WRITE", "COMMIT", "lock", 5, 1.0, 0.31},
                                            {"READ", "WRITE", "ipc", 5, 0.5, 0.8}};
  target.pass(300);
  ASSERT_THAT(target.story(), ElementsAre("firing Latency shift"));
  const Notice notice = target.told.front();
  EXPECT_THAT(notice.cause, HasSubstr("; WRITE waited 31 % of its time for COMMIT (lock)"));
  EXPECT_THAT(notice.cause, HasSubstr("type WRITE, 20"));
  EXPECT_THAT(notice.cause, HasSubstr("-> 27"));
  EXPECT_THAT(notice.cause, HasSubstr("lock waits, 6"));  // 2.5 ms for a quarter of the queries: 625 us
  EXPECT_NEAR(*notice.expected, 0.00875, 0.0005);
  EXPECT_THAT(notice.text, HasSubstr("at this load"));
  EXPECT_THAT(notice.text, HasSubstr("moved most: type WRITE"));
  EXPECT_EQ(target.monitor->active().size(), 1U);
  target.pass(1'200);
  EXPECT_THAT(target.story(), ElementsAre("firing Latency shift", "resolved Latency shift"));
  EXPECT_EQ(target.told.back().id, notice.id);
  EXPECT_THAT(target.told.back().text, HasSubstr("taken for normal"));
  EXPECT_TRUE(target.monitor->active().empty());
}

TEST(TargetMonitor, spikes_one_after_the_other_are_told_once_until_five_quiet_minutes_are_over) {
  Target target;
  target.pass(1'800);
  for (int spike = 0; spike < 3; ++spike) {
    target.write_seconds = target.read_seconds = 0.060;
    target.pass(10);
    target.write_seconds = 0.020;
    target.read_seconds = 0.005;
    target.pass(120);
  }
  EXPECT_THAT(target.story(), ElementsAre("firing Latency spike"));
  target.pass(360);
  EXPECT_THAT(target.story(), ElementsAre("firing Latency spike", "resolved Latency spike"));
  target.pass(1'800);
  EXPECT_EQ(target.told.size(), 2U);
}

// READ has 0.1 % of the time: nobody sees in the mean that it is twice as slow.
TEST(TargetMonitor, a_type_whose_shift_is_hidden_has_an_incident_of_its_own) {
  Target target;
  target.read_seconds = 0.00002;
  target.pass(3'600);
  target.read_seconds = 0.00004;
  target.pass(600);
  ASSERT_THAT(target.story(), ElementsAre("firing Latency shift of READ"));
  EXPECT_THAT(target.told.front().text, HasSubstr("of type READ"));
  EXPECT_THAT(target.told.front().cause, HasSubstr("time on the CPU"));
  EXPECT_NEAR(*target.told.front().expected, 0.00002, 0.000002);
  target.pass(1'800);
  EXPECT_THAT(target.story(), ElementsAre("firing Latency shift of READ", "resolved Latency shift of READ"));
}

TEST(TargetMonitor, more_costly_queries_are_another_mix_and_no_alarm) {
  Target target;
  target.pass(1'800);
  std::swap(target.read_rate, target.write_rate);
  target.pass(300);
  ASSERT_THAT(target.story(), ElementsAre("firing Query mix shift"));
  EXPECT_EQ(target.told.front().severity, Severity::kInfo);
  EXPECT_THAT(target.told.front().cause, HasSubstr("more queries of type WRITE, 25"));
}

TEST(TargetMonitor, a_binary_that_changed_just_before_is_named) {
  for (const bool just_before : {true, false}) {
    Target target;
    target.facts.binary = "aaaa";
    target.pass(1'800);
    target.facts.binary = "bbbb";
    target.pass(just_before ? 60 : 1'800);
    target.write_seconds *= 2;
    target.pass(120);
    ASSERT_FALSE(target.told.empty());
    EXPECT_EQ(target.told.front().cause.find("since the binary changed to bbbb") != std::string::npos, just_before);
  }
}

TEST(TargetMonitor, a_stall_and_an_end_are_told_at_once_and_close_when_it_serves) {
  Target target;
  target.pass(1'800);
  target.read_rate = target.write_rate = 0;
  target.snapshot.availability->state = "stalled";
  target.pass(120);
  ASSERT_THAT(target.story(), ElementsAre("firing Target stalled"));  // and no fall of traffic
  EXPECT_EQ(target.told.front().severity, Severity::kCritical);
  EXPECT_EQ(target.told.front().at_ms - target.told.front().since_ms, 30'000);
  EXPECT_THAT(target.told.front().text, HasSubstr("none has ended for 30 s"));
  target.snapshot.availability->state = "unknown";
  target.pass(10);
  target.snapshot.availability->state = "down";
  target.pass(10);
  EXPECT_THAT(target.story(), ElementsAre("firing Target stalled", "resolved Target stalled", "firing Target down"));
  target.snapshot.availability->state = "up";
  target.pass(1);
  EXPECT_EQ(target.story().back(), "resolved Target down");
}

TEST(TargetMonitor, with_a_target_that_is_down_everything_else_of_it_is_over) {
  Target target;
  target.pass(1'800);
  target.snapshot.availability->state = "stalled";
  target.pass(1);
  target.monitor->observe_state("down", target.snapshot.timestamp_ms + 1'000, target.told);
  EXPECT_THAT(target.story(), ElementsAre("firing Target stalled", "resolved Target stalled", "firing Target down"));
  target.read_rate = target.write_rate = 0;
  target.snapshot.availability->state = "up";
  target.pass(120);
  ASSERT_EQ(target.story().back(), "firing Traffic drop");
  target.told.clear();
  target.monitor->observe_state("down", target.snapshot.timestamp_ms + 1'000, target.told);
  EXPECT_THAT(target.story(), UnorderedElementsAre("firing Target down", "resolved Traffic drop"));
}

/// The target ends and, after `seconds`, is up again.
void restart(Target& target, int seconds) {
  target.told.clear();
  target.monitor->observe_state("down", target.clock_ms + 500, target.told);
  target.clock_ms += 1'000 * static_cast<std::int64_t>(seconds);
}

TEST(TargetMonitor, what_a_restart_does_not_cure_is_found_anew_and_what_it_cures_is_over) {
  for (const int down_seconds : {1, 120}) {
    for (const bool cured : {false, true}) {
      Target target;
      target.pass(1'800);
      target.write_seconds += 0.0075;
      target.write_lock_seconds += 0.0075;
      target.pass(300);
      ASSERT_THAT(target.story(), ElementsAre("firing Latency shift"));
      const std::string id = target.told.front().id;
      restart(target, down_seconds);
      EXPECT_THAT(target.story(), UnorderedElementsAre("resolved Latency shift", "firing Target down"));
      target.told.clear();
      if (cured) {
        target.write_seconds -= 0.0075;
        target.write_lock_seconds -= 0.0075;
      }
      const std::int64_t up_ms = target.clock_ms;
      target.pass(300);
      if (cured) {
        EXPECT_THAT(target.story(), ElementsAre("resolved Target down")) << down_seconds;
        continue;
      }
      ASSERT_THAT(target.story(), ElementsAre("resolved Target down", "firing Latency shift")) << down_seconds;
      EXPECT_NE(target.told.back().id, id);
      EXPECT_GT(target.told.back().since_ms, up_ms);
    }
  }
}

// What comes up in the place of one that failed may serve nobody: of that is known that the traffic is away.
TEST(TargetMonitor, what_comes_up_has_none_of_the_faults_of_before) {
  for (const bool serves : {false, true}) {
    Target target;
    target.snapshot.cache_metrics.hit_rate = 0.9;
    target.pass(3'600);
    target.error_rate = 0.5;
    target.write_seconds *= 3;
    target.snapshot.cache_metrics.hit_rate = 0.4;
    target.pass(300);
    EXPECT_THAT(target.story(), testing::IsSupersetOf({"firing Error burst", "firing Error budget burn"}));
    restart(target, 10);
    target.told.clear();
    if (serves) {
      target.error_rate = 0.0005;
      target.write_seconds /= 3;
      target.snapshot.cache_metrics.hit_rate = 0.9;
    } else {
      target.read_rate = target.write_rate = 0;
    }
    target.pass(600);
    if (serves) {
      EXPECT_THAT(target.story(), ElementsAre("resolved Target down"));
    } else {
      EXPECT_THAT(target.story(), ElementsAre("resolved Target down", "firing Traffic drop"));
    }
  }
}

TEST(TargetMonitor, of_a_type_what_a_restart_does_not_cure_is_told_again_once) {
  Target target;
  target.read_seconds = 0.00002;
  target.pass(3'600);
  target.read_seconds = 0.00004;
  target.pass(600);
  ASSERT_THAT(target.story(), ElementsAre("firing Latency shift of READ"));
  for (int i = 0; i < 2; ++i) {
    restart(target, 1);
    target.pass(40);
    EXPECT_EQ(target.story().back(), "resolved Target down");
  }
  EXPECT_EQ(target.told.size(), 2U);
  target.pass(600);
  EXPECT_THAT(target.story(),
              ElementsAre("firing Target down", "resolved Target down", "firing Latency shift of READ"));
  target.pass(1'800);
  EXPECT_EQ(target.story().back(), "resolved Latency shift of READ");
  EXPECT_THAT(target.monitor->active(), IsEmpty());
}

TEST(TargetMonitor, traffic_that_does_not_come_back_after_a_stall_is_told_then) {
  Target target;
  target.pass(1'800);
  target.read_rate = target.write_rate = 0;
  target.snapshot.availability->state = "stalled";
  target.pass(300);
  ASSERT_THAT(target.story(), ElementsAre("firing Target stalled"));
  target.read_rate = 6;
  target.write_rate = 2;
  target.snapshot.availability->state = "up";
  target.pass(180);
  EXPECT_THAT(target.story(), ElementsAre("firing Target stalled", "resolved Target stalled", "firing Traffic drop"));
}

TEST(TargetMonitor, of_the_host_nothing_stays_open_where_another_tells_of_it) {
  Target target;
  target.snapshot.system_metrics.cpu_usage = 30;
  target.pass(1'800);
  target.snapshot.system_metrics.cpu_usage = 100;
  target.pass(120);
  ASSERT_THAT(target.story(), ElementsAre("firing CPU saturation"));
  target.monitor->watch_host(false, target.clock_ms, target.told);
  ASSERT_THAT(target.story(), ElementsAre("firing CPU saturation", "resolved CPU saturation"));
  EXPECT_THAT(target.monitor->active(), IsEmpty());
  target.pass(120);
  target.monitor->watch_host(true, target.clock_ms, target.told);
  target.pass(50);  // the minute begins anew
  EXPECT_EQ(target.told.size(), 2U);
  target.pass(30);
  EXPECT_EQ(target.story().back(), "firing CPU saturation");
}

// From 60 % by 0.2 % a minute: 40 % more take 200 minutes; found after seven floors of three minutes, which is 21 (and
// those in which it did not grow yet): 178 minutes are left.
TEST(TargetMonitor, memory_that_will_be_full_is_told_with_the_time_that_is_left) {
  Target target;
  for (int minute = 0; minute < 40 && target.told.empty(); ++minute) {
    target.snapshot.target_metrics.memory_usage = 0.6 + 0.002 * minute;
    target.pass(60);
  }
  ASSERT_THAT(target.story(), ElementsAre("firing Memory exhaustion"));
  EXPECT_EQ(target.told.front().severity, Severity::kCritical);
  EXPECT_THAT(target.told.front().text, testing::ContainsRegex("full in (2 h 5[0-9]|3 h [0-9]) min"));
}

TEST(TargetMonitor, memory_that_grows_ever_slower_is_a_cache_that_fills) {
  Target target;
  for (int minute = 0; minute < 180; ++minute) {
    target.snapshot.target_metrics.memory_usage = 0.8 - 0.6 * std::exp(-minute / 20.0);
    target.pass(60);
  }
  EXPECT_THAT(target.story(), IsEmpty());
}

TEST(TargetMonitor, handles_are_watched_where_their_limit_is_known) {
  for (const bool known : {true, false}) {
    Target target;
    if (!known) target.facts.handle_limit.reset();
    for (int minute = 0; minute < 40; ++minute) {
      target.snapshot.target_metrics.handle_count = static_cast<std::uint64_t>(200 + 8 * minute);
      target.pass(60);
    }
    EXPECT_EQ(target.story(),
              known ? std::vector<std::string>{"firing File handle exhaustion"} : std::vector<std::string>{});
    EXPECT_EQ(target.monitor->unavailable().size(), known ? 1U : 2U);
  }
}

// 99.9 % allow 1 failure in 1,000. 3 % are 30 times as many; after a watch of 6 hours they are 14.4 times too many in
// the hour once 14.4 / 30 of it are over: 28.8 minutes, less the 0.05 % that failed before.
TEST(TargetMonitor, a_budget_that_burns_is_told_by_the_hour) {
  MonitorOptions options;
  options.detector = "none";
  Target target(options);
  target.pass(6 * 3'600);
  ASSERT_THAT(target.story(), IsEmpty());
  target.error_rate = 0.03;
  const std::int64_t begin_ms = target.clock_ms;
  for (int minute = 0; minute < 60 && target.told.empty(); ++minute) target.pass(60);
  ASSERT_THAT(target.story(), ElementsAre("firing Error budget burn"));
  EXPECT_NEAR(static_cast<double>(target.told.front().at_ms - begin_ms) / 60'000, 28.8, 1.5);
  EXPECT_EQ(target.told.front().severity, Severity::kCritical);
  target.error_rate = 0;
  target.pass(3'600);
  EXPECT_EQ(target.story().back(), "resolved Error budget burn");
}

// 99 % within 250 ms allow 1 slow query in 100. Of 200 a second 40 are slow, 20 times as many: as nothing was watched
// before, an hour's 14.4 is reached after 14.4 / 20 of an hour, 43.2 minutes.
TEST(TargetMonitor, queries_that_take_longer_than_their_objective_burn_its_budget) {
  for (const bool given_up : {false, true}) {  // the types before make room for others all the time
    MonitorOptions options;
    options.detector = "none";
    options.latency = LatencyObjective{0.250, 0.99};
    Target target(options);
    QueryMetrics& queries = target.snapshot.query_metrics;
    SparseHistogram& read = queries.query_type_breakdown["READ"].histogram_total;
    const SparseHistogram none = {{outrider_hist_index(10'000'000), 0}, {outrider_hist_index(400'000'000), 0}};
    read = none;
    for (int second = 0; second < 3'600 && target.told.empty(); ++second) {
      if (given_up) {
        merge(queries.given_up_histogram, read);
        read = none;
      }
      read[0].count += 160;
      read[1].count += 40;
      target.pass(1);
    }
    ASSERT_THAT(target.story(), ElementsAre("firing Error budget burn")) << given_up;
    EXPECT_NEAR(static_cast<double>(target.clock_ms - kStart) / 60'000, 43.2, 0.4);
    EXPECT_THAT(target.told.front().text, HasSubstr("20.00 % of the queries of the last hour took longer than 250 ms"));
  }
}

TEST(TargetMonitor, a_failure_among_few_queries_burns_nothing) {
  MonitorOptions options;
  options.detector = "none";
  Target target(options);
  target.snapshot.interval_seconds = 60;
  target.write_rate = 0;
  target.read_rate = 1.001 / 60;
  for (int minute = 0; minute < 90; ++minute) {  // one of 15 fails: 67 times what is allowed
    target.error_rate = minute % 15 == 14 ? 1 : 0;
    target.pass(1);
  }
  EXPECT_THAT(target.story(), IsEmpty());
}

TEST(TargetMonitor, a_target_that_is_not_watched_any_more_has_nothing_open) {
  Target target;
  target.pass(1'800);
  target.write_seconds *= 2;
  target.pass(120);
  ASSERT_EQ(target.monitor->active().size(), 1U);
  target.monitor->end(target.clock_ms, "the target is not configured any more", target.told);
  EXPECT_EQ(target.story().back(), "resolved Latency spike");
  EXPECT_THAT(target.told.back().text, HasSubstr("not configured any more"));
  EXPECT_TRUE(target.monitor->active().empty());
}

TEST(TargetMonitor, seconds_without_probes_are_no_fall_of_traffic) {
  Target target;
  target.pass(1'800);
  target.snapshot.overhead.mode = "paused";
  target.read_rate = target.write_rate = 0;
  target.pass(600);
  EXPECT_THAT(target.story(), IsEmpty());
}

TEST(TargetMonitor, intervals_of_100_ms_and_of_5_s_find_what_those_of_a_second_find) {
  for (const double interval : {0.1, 1.0, 5.0}) {
    Target target;
    target.snapshot.interval_seconds = interval;
    target.pass(static_cast<int>(1'800 * std::max(1.0, interval) / interval) * (interval > 1 ? 5 : 1));
    EXPECT_THAT(target.story(), IsEmpty());
    target.write_seconds += 0.0075;
    target.pass(static_cast<int>(600 / interval));
    EXPECT_THAT(target.story(), ElementsAre("firing Latency shift")) << interval;
  }
}

// Both are found by blocks of ten intervals, and begin with one of them here.
TEST(TargetMonitor, a_fall_of_traffic_or_hits_is_told_from_its_begin_whatever_the_interval) {
  for (const bool of_traffic : {true, false}) {
    for (const double interval : {1.0, 5.0}) {
      Target target;
      target.snapshot.interval_seconds = interval;
      target.snapshot.cache_metrics.hit_rate = 0.9;
      target.pass(1'800);
      const std::int64_t begin_ms = target.clock_ms;
      if (of_traffic) {
        target.read_rate = 6;
        target.write_rate = 2;
      } else {
        target.snapshot.cache_metrics.hit_rate = 0.5;
      }
      target.pass(60);
      ASSERT_EQ(target.told.size(), 1U) << interval;
      EXPECT_EQ(target.told.front().arm, of_traffic ? "drop" : "shift");
      EXPECT_EQ(target.told.front().since_ms, begin_ms) << interval;
    }
  }
}

TEST(TargetMonitor, ten_thousand_types_take_bounded_memory) {
  Target target;
  for (int i = 0; i < 10'000; ++i) {
    TypeMetrics& type = target.snapshot.query_metrics.query_type_breakdown["rare" + std::to_string(i)];
    type.interval_count = 1;
    type.avg_response_time_seconds = 0.001;
  }
  target.pass(300);
  EXPECT_EQ(target.monitor->followed_types(), TypeWatch::kMost);
  EXPECT_EQ(target.monitor->left_out_types(), 10'002 - TypeWatch::kMost);
  EXPECT_LT(target.monitor->state_bytes(), 300'000U);
  EXPECT_LT(target.monitor->serialise().size(), 100'000U);
}

}  // namespace
}  // namespace outrider
