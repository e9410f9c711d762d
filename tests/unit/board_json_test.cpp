// What `outrider top` reads of a service's answers, from texts as the API writes them.
#include "userspace/tui/board_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tui_board.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/tui/line.h"

namespace outrider {
namespace {

using testing::HasSubstr;

TEST(BoardJson, Targets) {
  const auto targets = targets_from_json(
      R"({"targets":[{"name":"engine","attached":true,"error":null},{"name":"db","error":"no process of that name"}]})");
  ASSERT_TRUE(targets) << targets.error().message;
  ASSERT_EQ(targets->size(), 2U);
  EXPECT_EQ((*targets)[0].name, "engine");
  EXPECT_EQ((*targets)[0].error, "");
  EXPECT_EQ((*targets)[1].error, "no process of that name");
}

TEST(BoardJson, Snapshots) {
  const auto snapshots = snapshots_from_json(R"({"timestamp":"x","snapshots":[)" + to_json_line(two_types()) + "]}");
  ASSERT_TRUE(snapshots) << snapshots.error().message;
  ASSERT_EQ(snapshots->size(), 1U);
  EXPECT_EQ(snapshots->front()->target, "engine");
  EXPECT_EQ(snapshots->front()->query_metrics.query_type_breakdown.at("path").failed, 50U);
}

TEST(BoardJson, Alerts) {
  const auto alerts = alerts_from_json(
      R"({"alerts":[{"state":"firing","held":false,"name":"High Error Rate","severity":"critical","target":"engine",
          "type":"path","since":"2023-11-14T22:13:20.042Z"},
         {"state":"pending","held":true,"name":"n","severity":"info","target":"e","type":"",
          "since":"2023-11-14T22:13:20Z"}],"recent":[]})");
  ASSERT_TRUE(alerts) << alerts.error().message;
  ASSERT_EQ(alerts->size(), 2U);
  EXPECT_EQ((*alerts)[0].severity, Severity::kCritical);
  EXPECT_EQ((*alerts)[0].since_ms, 1'700'000'000'042);
  EXPECT_FALSE((*alerts)[0].pending);
  EXPECT_TRUE((*alerts)[1].pending && (*alerts)[1].held);
  EXPECT_FALSE(alerts_from_json(R"({"alerts":[{"state":"firing"}]})"));
}

TEST(BoardJson, Agent) {
  const auto agent = agent_from_json(R"({"uptime_seconds":12.5,"cpu_seconds":0.25,"resident_bytes":null})");
  ASSERT_TRUE(agent) << agent.error().message;
  EXPECT_EQ(agent->uptime_seconds, 12.5);
  EXPECT_EQ(agent->cpu_seconds, 0.25);
  EXPECT_FALSE(agent->resident_bytes);
}

TEST(BoardJson, Past) {
  const auto past = past_from_json(
      R"({"metrics":[{"name":"rate","unit":"1/s"},{"name":"p99","unit":"s"}],"points":[
         {"timestamp":"2023-11-14T22:13:20.000Z","rate":12.5,"p99":0.25},
         {"timestamp":"2023-11-14T22:13:21.000Z","rate":0,"p99":null},
         {"timestamp":"2023-11-14T22:13:22.000Z","rate":null,"p99":null}]})");
  ASSERT_TRUE(past) << past.error().message;
  ASSERT_EQ(past->size(), 2U);
  EXPECT_EQ((*past)[0].second, 1'700'000'000);
  EXPECT_EQ((*past)[0].queries_per_second, 12.5);
  EXPECT_EQ((*past)[0].p99_seconds, 0.25);
  EXPECT_EQ((*past)[1].p99_seconds, std::nullopt);
}

TEST(BoardJson, SomethingElseIsAnError) {
  for (const char* text : {"", "<html>", "[]", "{}", "null", R"({"targets":7,"snapshots":7,"alerts":7})",
                           R"({"targets":[{}],"snapshots":[{}],"alerts":[{}],"uptime_seconds":"a"})"}) {
    EXPECT_FALSE(targets_from_json(text)) << text;
    EXPECT_FALSE(snapshots_from_json(text)) << text;
    EXPECT_FALSE(alerts_from_json(text)) << text;
    EXPECT_FALSE(agent_from_json(text)) << text;
    EXPECT_FALSE(past_from_json(text)) << text;
  }
  EXPECT_THAT(targets_from_json("<html>").error().message, HasSubstr("no list of targets"));
}

TEST(BoardJson, WhyAnAnswerIsNone) {
  EXPECT_EQ(error_from_json(R"({"error":"no figures yet"})"), "no figures yet");
  EXPECT_EQ(error_from_json("<h1>Bad Gateway</h1>\nmore"), "<h1>Bad Gateway</h1>");
  // It comes from whoever listens there, and goes to a terminal.
  EXPECT_EQ(error_from_json("\x1b[2Jgone"), "\\x1b[2Jgone");
  EXPECT_EQ(error_from_json(R"({"error":"\u001b]0;title"})"), "\\x1b]0;title");
  EXPECT_EQ(width_of(error_from_json(R"({"error":")" + std::string(1000, 'x') + "\"}")), 200U);
}

}  // namespace
}  // namespace outrider
