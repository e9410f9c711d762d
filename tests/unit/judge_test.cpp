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

}  // namespace
}  // namespace outrider
