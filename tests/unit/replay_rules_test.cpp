// Rules over recorded figures: judged by the figures that they name, and named themselves where there are none.
#include "userspace/cli/replay_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/store_points.h"
#include "userspace/cli/replay_sources.h"
#include "userspace/config/rules.h"

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<Rule> parsed(const std::string& text) {
  const auto rules = parse_rules(text, "r.toml");
  if (rules) return *rules;
  ADD_FAILURE() << rules.error().message;
  return {};
}

std::string rule_text(const std::string& name, const std::string& figure, const std::string& more) {
  return "[[rule]]\nname = \"" + name + "\"\ncondition = \"" + figure + "\"\n" + more + "\n";
}

/// "SECOND EVENT RULE" of each notice; the first row is of second 0.
template <typename Row>
std::vector<std::string> told(RuleReplay& replay, const std::vector<Row>& rows) {
  std::vector<std::string> lines;
  for (std::size_t second = 0; second < rows.size(); ++second) {
    std::vector<Notice> notices;
    replay.observe(rows[second], notices);
    for (const Notice& notice : notices) {
      lines.push_back(std::to_string(second) + " " + event_name(notice) + " " + notice.name);
    }
  }
  return lines;
}

RecordedRow row_at(std::int64_t second, std::optional<double> average, std::optional<double> hit_rate = std::nullopt) {
  RecordedRow row;
  row.sample.time_ms = kStartMs + second * 1'000;
  row.sample.avg_response_time_seconds = average;
  row.sample.cache_hit_rate = hit_rate;
  return row;
}

TEST(RuleReplay, a_file_names_the_rules_that_it_cannot_judge) {
  const std::string slow = rule_text("Slow", "response_time_high", "threshold = \"100ms\"");
  const std::string slower = "threshold = \"1ms\"\n";
  RuleReplay replay(parsed(slow + rule_text("Tail", "query_metrics.p99_response_time_seconds", "above = \"1ms\"") +
                           rule_text("No cache", "cache_metrics.hit_rate", "absent = true") +
                           rule_text("Type", "response_time_high", slower + "types = [\"*\"]") +
                           rule_text("There", "response_time_high", slower + "targets = [\"db-*\"]") +
                           rule_text("Anywhere", "response_time_high", slower + "targets = [\"*\"]") +
                           rule_text("Ill", "health_score", "above = 50")));
  EXPECT_THAT(told<RecordedRow>(replay, {row_at(0, 0.25), row_at(1, 0.05)}),
              ElementsAre("0 open Slow", "0 open Anywhere", "1 close Slow"));
  EXPECT_THAT(replay.not_judged(),
              ElementsAre("Tail: no row has query_metrics.p99_response_time_seconds",
                          "No cache: no row has cache_metrics.hit_rate",
                          "Type: it is about query types, and only the target as a whole is replayed",
                          "There: a file names no target, and its targets do not match \"replay\" either",
                          "Ill: no row has health_score"));
}

TEST(RuleReplay, that_a_figure_is_absent_takes_a_file_that_has_it) {
  RuleReplay replay(parsed(rule_text("No cache", "cache_metrics.hit_rate", "absent = true") +
                           rule_text("Slow", "response_time_high", "threshold = \"100ms\"\nfor = \"2s\"")));
  // The clock of Slow, which runs since second 0, does not begin anew where No cache joins it.
  EXPECT_THAT(told<RecordedRow>(replay, {row_at(0, 0.25), row_at(1, 0.25, 0.9), row_at(2, 0.25), row_at(3, 0.05, 0.8)}),
              ElementsAre("2 open No cache", "2 open Slow", "3 close No cache", "3 close Slow"));
  EXPECT_THAT(replay.not_judged(), IsEmpty());
}

/// A second with a busy host and a target that is not, and with one query of 2^20 ns and one of 2^24.
Point busy_host() {
  Point step = make_second(0);
  const auto set = [&](const char* name, double value) { step.gauges[name] = {value, 1, value, value}; };
  set("system_metrics.cpu_usage", 95);
  set("target_metrics.cpu_usage", 20);
  set("system_metrics.memory_usage", 0.95);
  set("target_metrics.memory_usage", 0.1);
  set("target_metrics.disk_usage", 0.97);
  set("query_metrics.current_concurrent", 2);
  set("query_metrics.oldest_in_flight_seconds", 12);
  step.peak_concurrent = 50;
  return step;
}

TEST(RuleReplay, history_is_judged_by_the_figures_that_the_rules_name) {
  RuleReplay replay(
      parsed(rule_text("Host CPU", "cpu_usage_high", "threshold = \"80%\"") +
             rule_text("Its CPU", "target_metrics.cpu_usage", "above = \"80%\"") +
             rule_text("Host memory", "memory_usage_high", "threshold = \"90%\"") +
             rule_text("Its memory", "target_metrics.memory_usage", "above = \"90%\"") +
             rule_text("Crowd", "concurrent_queries_high", "threshold = 10") +
             rule_text("Peak", "query_metrics.peak_concurrent", "above = 10") +
             rule_text("Tail", "query_metrics.p99_response_time_seconds", "above = \"10ms\"\nleast_queries = 1") +
             rule_text("Hangs", "query_metrics.oldest_in_flight_seconds", "above = \"10s\"") +
             rule_text("Disk", "target_metrics.disk_usage", "above = \"90%\"") +
             rule_text("Locks", "waits.lock_share", "above = \"70%\"\nleast_queries = 1") +
             rule_text("Off CPU", "waits.cpu_share", "below = \"20%\"")),
      "engine");
  std::vector<Notice> notices;
  replay.observe(busy_host(), notices);
  std::map<std::string, double> values;
  for (const Notice& notice : notices) {
    EXPECT_EQ(notice.target, "engine");
    EXPECT_EQ(notice.at_ms, kStartMs + 1'000);
    values[notice.name] = notice.value.value_or(-1);
  }
  const std::map<std::string, double> expected = {{"Host CPU", 95},       {"Host memory", 0.95}, {"Peak", 50},
                                                  {"Tail", kSlowSeconds}, {"Hangs", 12},         {"Disk", 0.97},
                                                  {"Locks", 0.75}};  // three quarters of each query
  ASSERT_EQ(values.size(), expected.size());
  for (const auto& [name, value] : expected) EXPECT_NEAR(values[name], value, 1e-9) << name;
  EXPECT_THAT(replay.not_judged(), IsEmpty());
}

TEST(RuleReplay, history_names_the_rules_that_it_cannot_judge) {
  const std::string slow = "threshold = \"1ms\"\nleast_queries = 1\n";
  RuleReplay replay(parsed(rule_text("Budget", "availability.error_budget_left", "absent = true") +
                           rule_text("Type", "response_time_high", slow + "types = [\"*\"]") +
                           rule_text("There", "response_time_high", slow + "targets = [\"db-*\"]") +
                           rule_text("Here", "response_time_high", slow + "targets = [\"eng*\"]")),
                    "engine");
  EXPECT_THAT(told<Point>(replay, {make_second(0)}), ElementsAre("0 open Here"));
  EXPECT_THAT(replay.not_judged(),
              ElementsAre("Budget: availability.error_budget_left is not kept in history",
                          "Type: it is about query types, and only the target as a whole is replayed",
                          "There: its targets do not match engine"));
}

TEST(RuleReplay, where_no_probe_was_on_no_figure_of_queries_is_missing) {
  RuleReplay replay(parsed(rule_text("No queries", "query_metrics.avg_response_time_seconds", "absent = true") +
                           rule_text("Idle", "throughput_low", "threshold = \"1/s\"")),
                    "engine");
  Point paused, idle;
  paused.begin_ms = kStartMs;
  idle.begin_ms = kStartMs + 1'000;
  paused.length_ms = idle.length_ms = 1'000;
  paused.seconds = idle.seconds = idle.watched_seconds = 1;
  EXPECT_THAT(told<Point>(replay, {paused, idle}), ElementsAre("1 open No queries", "1 open Idle"));
}

TEST(RuleReplay, queries_are_counted_for_the_part_without_probes_too) {
  // Two queries in half a second are four in a second.
  RuleReplay replay(parsed(rule_text("Enough", "response_time_high", "threshold = \"1ms\"\nleast_queries = 4") +
                           rule_text("Not enough", "response_time_high", "threshold = \"1ms\"\nleast_queries = 5")),
                    "engine");
  Point half = make_second(0);
  half.watched_seconds = 0.5;
  EXPECT_THAT(told<Point>(replay, {half}), ElementsAre("0 open Enough"));
}

using HistoryReplayTest = StoreTest;

TEST_F(HistoryReplayTest, what_rules_name_is_read_from_the_store) {
  open();
  write(0, 10);  // the target's CPU: 0 to 6 %, and from second 7 on 0 again
  ReplayWindow window;
  window.from = "@" + std::to_string(kStartMs / 1'000);
  window.to = "@" + std::to_string(kStartMs / 1'000 + 60);
  window.store = options_.path;
  auto history = HistoryReplay::open(window);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->target(), "engine");
  RuleReplay replay(parsed(rule_text("Busy", "target_metrics.cpu_usage", "above = \"5.5%\"")), history->target());
  std::vector<Notice> notices;
  const auto done = history->for_each_step(replay.figures(), [&](const Point& step) { replay.observe(step, notices); });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->samples, 10U);
  EXPECT_EQ(done->step_ms, 1'000);
  ASSERT_EQ(notices.size(), 2U);
  EXPECT_EQ(notices[0].at_ms, kStartMs + 7'000);  // the end of second 6
  EXPECT_EQ(notices[0].value, 6.0);
  EXPECT_EQ(notices[1].what, Notice::What::kResolved);
  EXPECT_EQ(notices[1].at_ms, kStartMs + 8'000);
}

TEST_F(HistoryReplayTest, a_window_that_is_none_is_refused) {
  ReplayWindow window;
  window.from = "1h";
  window.to = "2h";
  window.store = options_.path;
  const auto history = HistoryReplay::open(window);
  ASSERT_FALSE(history);
  EXPECT_EQ(history.error().code, EINVAL);
  EXPECT_THAT(history.error().message, HasSubstr("--to"));
}

}  // namespace
}  // namespace outrider
