// Rules and alerts, second by second: what fires when, and what must not.
#include "userspace/alerts/alert.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/config/rules.h"
#include "userspace/model/snapshot_field.h"

namespace outrider {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;

Rule response_time(int hold_seconds) {
  Rule rule = default_rules().front();
  rule.hold = std::chrono::seconds(hold_seconds);
  return rule;
}

/// One rule on one target, an observation a second.
struct Watched {
  explicit Watched(Rule watched) : rule(std::move(watched)) {}

  void pass(int seconds, std::optional<double> value, std::uint64_t queries = 100) {
    for (int i = 0; i < seconds; ++i) {
      now += 1'000;
      if (auto event = alert.observe(rule, {now, value, queries})) events.push_back(*event);
    }
  }
  [[nodiscard]] std::string said() const {
    std::string text;
    for (const AlertEvent& event : events) {
      text += event.what == AlertEvent::What::kFiring ? "fires@" : "over@";
      text += std::to_string((event.at_ms - kStart) / 1'000) + " ";
    }
    return text;
  }

  Rule rule;
  Alert alert;
  std::int64_t now = kStart;
  std::vector<AlertEvent> events;
};

// The clock begins with the first second in breach: at 11 s, and 30 s later it fires.
TEST(Alert, fires_once_when_the_breach_has_lasted_and_is_over_once) {
  Watched watched(response_time(30));
  watched.pass(10, 0.05);
  watched.pass(300, 0.15);
  watched.pass(100, 0.05);
  EXPECT_EQ(watched.said(), "fires@41 over@311 ");
  EXPECT_EQ(watched.events.front().since_ms, kStart + 11'000);
  EXPECT_EQ(watched.events.front().value, 0.15);
  EXPECT_EQ(watched.events.front().threshold, 0.100);
}

TEST(Alert, a_hold_that_was_not_met_never_fires) {
  Watched watched(response_time(30));
  for (int i = 0; i < 50; ++i) {
    watched.pass(30, 0.15);  // 29 s from the first to the last
    watched.pass(1, 0.05);
  }
  EXPECT_EQ(watched.said(), "");
  for (int i = 0; i < 50; ++i) {
    watched.pass(30, 0.15);
    watched.pass(1, std::nullopt);  // not to be had is not breached
  }
  EXPECT_EQ(watched.said(), "");
}

TEST(Alert, the_threshold_itself_is_no_breach) {
  Watched watched(response_time(0));
  watched.pass(10, 0.100);
  EXPECT_EQ(watched.said(), "");
}

TEST(Alert, hysteresis_and_a_quiet_time_keep_it_from_flapping) {
  Watched watched(response_time(0));
  watched.rule.clear = 0.080;
  watched.rule.clear_for = std::chrono::seconds(10);
  watched.pass(1, 0.15);
  for (int i = 0; i < 20; ++i) {
    watched.pass(5, 0.09);  // below the threshold, above the other one
    watched.pass(9, 0.05);  // nine seconds in which it is over
  }
  watched.pass(1, 0.15);
  watched.pass(11, 0.05);
  EXPECT_EQ(watched.said(), "fires@1 over@293 ");
}

TEST(Alert, few_queries_say_nothing) {
  Watched watched(response_time(5));
  watched.rule.least_queries = 10;
  watched.pass(100, 5.0, 9);
  EXPECT_EQ(watched.said(), "");
  watched.pass(6, 5.0, 10);
  EXPECT_EQ(watched.said(), "fires@106 ");
}

TEST(Alert, below_is_a_breach_where_the_condition_says_so) {
  Rule rule;
  rule.name = "quiet";
  rule.condition = *find_condition("throughput_low");
  rule.threshold = 10;
  Watched watched(rule);
  watched.pass(5, 11);
  watched.pass(5, 9);
  watched.pass(5, 10);
  EXPECT_EQ(watched.said(), "fires@6 over@11 ");
}

TEST(Alert, one_that_fires_goes_on_without_the_figure_and_ends_with_its_target) {
  Watched watched(response_time(0));
  watched.pass(1, 0.15);
  watched.pass(600, std::nullopt);
  EXPECT_EQ(watched.alert.state(), Alert::State::kFiring);
  const auto event = watched.alert.end(watched.rule, watched.now);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->what, AlertEvent::What::kResolved);
  EXPECT_FALSE(watched.alert.end(watched.rule, watched.now));
}

TEST(Alert, a_clock_set_back_loses_no_time_and_a_long_gap_does) {
  Watched watched(response_time(30));
  watched.pass(20, 0.15);
  watched.now -= 3'600'000;
  watched.pass(12, 0.15);
  EXPECT_EQ(watched.events.size(), 1U);
  Watched slept(response_time(90));
  slept.pass(20, 0.15);
  slept.now += 61'000;
  slept.pass(20, 0.15);
  EXPECT_EQ(slept.said(), "");
}

// The agent reads every two minutes: there is no gap between two readings.
TEST(Alert, a_long_interval_is_no_gap) {
  Alert alert;
  const Rule rule = response_time(30);
  constexpr std::int64_t kIntervalMs = 120'000;
  EXPECT_FALSE(alert.observe(rule, {kStart, 0.15, 100, kIntervalMs}));
  EXPECT_TRUE(alert.observe(rule, {kStart + kIntervalMs, 0.15, 100, kIntervalMs}));
}

TEST(Alert, a_restart_loses_neither_the_clock_nor_the_end) {
  Watched watched(response_time(30));
  watched.pass(20, 0.15);
  Alert after;
  ASSERT_TRUE(after.restore(watched.alert.serialise()));
  watched.alert = after;
  watched.now += 5'000;
  watched.pass(10, 0.15);
  EXPECT_EQ(watched.said(), "fires@31 ");
  ASSERT_TRUE(after.restore(watched.alert.serialise()));
  watched.alert = after;
  watched.pass(10, 0.15);  // said before
  watched.pass(1, 0.05);
  EXPECT_EQ(watched.said(), "fires@31 over@46 ");
  for (const char* text : {"", "[]", "{}", R"({"state":"odd","since_ms":1,"value":1})", R"({"state":"firing"})"}) {
    EXPECT_FALSE(after.restore(text)) << text;
  }
}

TEST(Rule, the_defaults_and_every_condition_name_fields_that_there_are) {
  EXPECT_EQ(known_conditions().size(), 7U);
  for (const Condition& condition : known_conditions()) EXPECT_TRUE(find_snapshot_field(condition.field));
  EXPECT_FALSE(find_condition("magic"));
  const auto& rules = default_rules();
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_EQ(rules[1].hold, std::chrono::seconds(60));
  EXPECT_STREQ(name_of(rules[1].severity), "critical");
}

TEST(SnapshotField, names_are_unique_and_values_are_the_snapshots) {
  Snapshot snapshot;
  snapshot.query_metrics.queries_per_second = 12;
  snapshot.query_metrics.waits = WaitSeconds{};
  snapshot.query_metrics.waits->at(OUTRIDER_WAIT_CPU) = 1;
  snapshot.query_metrics.waits->at(OUTRIDER_WAIT_LOCK) = 3;
  snapshot.target_metrics.handle_count = 7;
  snapshot.system_metrics.cpu_usage = 45;
  EXPECT_EQ(find_snapshot_field("query_metrics.queries_per_second")->value(snapshot), 12);
  EXPECT_EQ(find_snapshot_field("waits.lock_share")->value(snapshot), 0.75);
  EXPECT_EQ(find_snapshot_field("target_metrics.handle_count")->value(snapshot), 7);
  EXPECT_EQ(find_snapshot_field("system_metrics.cpu_usage")->value(snapshot), 45);
  EXPECT_FALSE(find_snapshot_field("target_metrics.cpu_usage")->value(snapshot));
  EXPECT_FALSE(find_snapshot_field("query_metrics.total_queries"));
  std::set<std::string> names;
  for (const SnapshotField& field : snapshot_fields()) EXPECT_TRUE(names.insert(field.name).second) << field.name;
}

// One snapshot with a mean of 150 ms against "> 100 ms" that need not last.
TEST(Mission, alert_triggering) {
  Snapshot snapshot;
  snapshot.timestamp_ms = kStart;
  snapshot.query_metrics.interval_queries = 10;
  snapshot.query_metrics.avg_response_time_seconds = 0.150;
  const Rule rule = response_time(0);
  ASSERT_EQ(rule.condition.name, "response_time_high");
  Alert alert;
  const auto event =
      alert.observe(rule, {snapshot.timestamp_ms, find_snapshot_field(rule.condition.field)->value(snapshot),
                           snapshot.query_metrics.interval_queries});
  ASSERT_TRUE(event);
  EXPECT_EQ(event->what, AlertEvent::What::kFiring);
  EXPECT_EQ(event->rule, "High Response Time");
  EXPECT_EQ(event->at_ms, kStart);
  EXPECT_EQ(event->value, 0.150);
  EXPECT_EQ(event->threshold, 0.100);
}

}  // namespace
}  // namespace outrider
