// What the judge makes of a round of readings: of targets that are silent, down or gone, and over a restart.
#include "userspace/service/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "userspace/config/rules.h"

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kStart = 1'700'000'000'000;

const char* const kRules = R"([[rule]]
name = "Slow"
condition = "response_time_high"
threshold = "100ms"
for = "10s"
[[rule]]
name = "Nothing known"
condition = "response_time_high"
absent = true
)";

class JudgeTest : public testing::Test {
 protected:
  JudgeTest() {
    config_.alerts.rules = *parse_rules(kRules, "r.toml");
    config_.alerts.detector = "none";
    config_.alerts.channels.clear();
    config_.alerts.silences = (directory_ / "silences.json").string();
    std::filesystem::create_directories(directory_);
    begin();
  }
  ~JudgeTest() override { std::filesystem::remove_all(directory_); }

  void begin() { judge_ = std::make_unique<Judge>(config_, store_, board_); }

  void keep_state() {
    StoreOptions options;
    options.path = (directory_ / "history.db").string();
    auto store = Store::make(options);
    ASSERT_TRUE(store) << store.error().message;
    store_ = *std::move(store);
    begin();
  }

  void restart() {
    ASSERT_TRUE(judge_->finish());
    begin();
  }

  /// A snapshot of so much of a second, with 1,000 queries a second.
  [[nodiscard]] SharedSnapshot snapshot(double response_seconds, double seconds) const {
    auto made = std::make_shared<Snapshot>();
    made->target = "db";
    made->timestamp_ms = now_;
    made->interval_seconds = seconds;
    made->query_metrics.interval_queries = static_cast<std::uint64_t>(1000 * seconds);
    made->query_metrics.avg_response_time_seconds = response_seconds;
    return made;
  }

  /// One interval later: the target is in `state`, and there is a snapshot of it or none.
  void pass(const std::string& state, std::optional<double> response_seconds, int intervals = 1, double seconds = 1) {
    for (int i = 0; i < intervals; ++i) {
      now_ += static_cast<std::int64_t>(1000 * seconds);
      Report report;
      report.time_ms = now_;
      TargetState target;
      target.name = "db";
      target.interval_seconds = 1;
      target.availability.state = state;
      report.agent.emplace().targets.push_back(target);
      if (response_seconds) report.snapshots.push_back(snapshot(*response_seconds, seconds));
      ASSERT_TRUE(judge_->write(report));
    }
  }

  /// "Slow firing @11", oldest first, of all that was ever told.
  [[nodiscard]] std::vector<std::string> told() const {
    std::vector<std::string> all;
    const auto recent = board_->status()->recent;
    all.reserve(recent->size());
    for (const Notice& notice : *recent) {
      all.push_back(notice.name + (notice.what == Notice::What::kFiring ? " firing @" : " over @") +
                    std::to_string((notice.at_ms - kStart) / 1000));
    }
    std::reverse(all.begin(), all.end());
    return all;
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("judge_" + std::to_string(getpid()));
  Config config_;
  std::shared_ptr<Store> store_;
  std::shared_ptr<AlertBoard> board_ = std::make_shared<AlertBoard>();
  std::unique_ptr<Judge> judge_;
  std::int64_t now_ = kStart;
};

// An agent that was just started has nothing of anybody yet, which is no news for a minute.
TEST_F(JudgeTest, a_target_of_which_nothing_came_yet_is_not_silent_until_a_minute_is_over) {
  pass("unknown", std::nullopt, 61);
  EXPECT_THAT(told(), IsEmpty());
  pass("unknown", std::nullopt);
  EXPECT_THAT(told(), ElementsAre("Nothing known firing @62"));
  pass("up", 0.01);
  EXPECT_THAT(told(), ElementsAre("Nothing known firing @62", "Nothing known over @63"));
}

TEST_F(JudgeTest, a_clock_runs_on_over_a_restart_that_sees_the_target_a_moment_later) {
  keep_state();
  pass("up", 0.15, 5);
  restart();
  pass("up", std::nullopt, 2);
  pass("up", 0.15, 3);
  EXPECT_THAT(told(), IsEmpty());
  pass("up", 0.15);
  EXPECT_THAT(told(), ElementsAre("Slow firing @11"));
}

// The last 5 ms of an agent hold 5 queries, which happen to be quick.
TEST_F(JudgeTest, a_piece_of_an_interval_begins_no_clock_anew) {
  keep_state();
  pass("up", 0.15, 5);
  pass("up", 0.05, 1, 0.005);
  restart();
  pass("up", 0.15, 5);
  EXPECT_THAT(told(), IsEmpty());
  pass("up", 0.15);
  EXPECT_THAT(told(), ElementsAre("Slow firing @11"));
}

TEST_F(JudgeTest, a_target_that_is_down_is_neither_slow_nor_silent) {
  pass("up", 0.15, 11);
  pass("down", std::nullopt, 100);
  EXPECT_THAT(told(), ElementsAre("Slow firing @11", "Target down firing @12", "Slow over @12"));
}

constexpr const char* kHostRule = R"([[rule]]
name = "Busy"
condition = "cpu_usage_high"
threshold = "85%"
for = "2s"
clear_for = "2s"
)";

/// Two targets on a host whose processors are as busy as is said.
class HostJudgeTest : public JudgeTest {
 protected:
  HostJudgeTest() {
    config_.alerts.rules = *parse_rules(kHostRule, "r.toml");
    begin();
  }

  /// So many seconds with a and b in these states; of one that is "unknown" nothing comes.
  void pass_both(const char* a, const char* b, double cpu_usage, int seconds) {
    for (int i = 0; i < seconds; ++i) {
      now_ += 1'000;
      Report report;
      report.time_ms = now_;
      report.agent.emplace();
      for (const auto& [name, state] : {std::pair("a", a), std::pair("b", b)}) {
        TargetState target;
        target.name = name;
        target.interval_seconds = 1;
        target.availability.state = state;
        target.attached = target.availability.state == "up";
        report.agent->targets.push_back(target);
        if (!target.attached) continue;
        auto snapshot = std::make_shared<Snapshot>();
        snapshot->target = name;
        snapshot->timestamp_ms = now_;
        snapshot->interval_seconds = 1;
        snapshot->system_metrics.cpu_usage = cpu_usage;
        report.snapshots.push_back(std::move(snapshot));
      }
      ASSERT_TRUE(judge_->write(report));
    }
  }

  /// "Busy of a", ...: what fires now.
  [[nodiscard]] std::vector<std::string> firing() const {
    std::vector<std::string> all;
    const auto status = board_->status();
    all.reserve(status->alerts.size());
    for (const AlertLine& line : status->alerts) {
      if (!line.pending) all.push_back(line.notice.name + " of " + line.notice.target);
    }
    return all;
  }
};

TEST_F(HostJudgeTest, a_fault_of_the_host_is_told_by_one_target_that_is_up) {
  pass_both("up", "up", 95, 5);
  EXPECT_THAT(firing(), ElementsAre("Busy of a"));
  pass_both("down", "up", 95, 5);
  EXPECT_THAT(firing(), testing::UnorderedElementsAre("Busy of b", "Target down of a"));
  pass_both("up", "up", 95, 5);
  EXPECT_THAT(firing(), ElementsAre("Busy of b"));
  pass_both("up", "up", 20, 5);
  EXPECT_THAT(firing(), IsEmpty());
}

TEST_F(HostJudgeTest, one_that_is_not_attached_does_not_speak_for_the_host) {
  pass_both("unknown", "up", 95, 5);
  EXPECT_THAT(firing(), ElementsAre("Busy of b"));
}

// It is neither down nor is anything known of it: a reload made its attach fail.
TEST_F(HostJudgeTest, one_that_falls_silent_keeps_no_alert_of_the_host) {
  for (const char* detector : {"none", "default"}) {
    config_.alerts.detector = detector;
    if (detector == std::string("default")) config_.alerts.rules.clear();
    begin();
    now_ += 3'600'000;
    pass_both("up", "up", 95, 100);
    ASSERT_EQ(firing().size(), 1U) << detector;
    EXPECT_THAT(firing().front(), testing::EndsWith(" of a"));
    pass_both("unknown", "up", 95, 200);
    ASSERT_EQ(firing().size(), 1U) << detector;
    EXPECT_THAT(firing().front(), testing::EndsWith(" of b"));
    pass_both("unknown", "up", 20, 200);
    EXPECT_THAT(firing(), IsEmpty()) << detector;
  }
}

TEST_F(JudgeTest, a_target_that_comes_back_after_lives_without_it_is_told_to_be_down) {
  keep_state();
  pass("up", 0.01, 5);
  pass("down", std::nullopt, 5);
  EXPECT_THAT(told(), ElementsAre("Target down firing @6"));
  restart();
  Report nobody;
  nobody.time_ms = now_ += 1'000;
  nobody.agent.emplace();
  ASSERT_TRUE(judge_->write(nobody));
  EXPECT_THAT(told(), ElementsAre("Target down firing @6", "Target down over @11"));
  restart();
  pass("down", std::nullopt, 2);
  EXPECT_THAT(told(), ElementsAre("Target down firing @6", "Target down over @11", "Target down firing @12"));
}

// Of one of which nothing is known, a rule on any figure has none.
TEST_F(JudgeTest, silence_is_neither_health_nor_idleness) {
  config_.alerts.rules = *parse_rules(R"([[rule]]
name = "Ill"
condition = "health_score"
below = 50
[[rule]]
name = "Idle"
condition = "query_metrics.interval_queries"
below = 5
)",
                                      "r.toml");
  begin();
  pass("up", 0.01, 2);
  pass("unknown", std::nullopt, 200);
  EXPECT_THAT(told(), IsEmpty());
}

}  // namespace
}  // namespace outrider
