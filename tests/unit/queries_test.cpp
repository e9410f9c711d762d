// The slowest queries of the last hour and those in flight, as the API gives them.
#include "userspace/service/queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;

constexpr std::int64_t kNow = 1'764'169'200'000;
constexpr std::int64_t kMinute = 60'000;

Config config_of(const std::string& text = "off") {
  Config config;
  config.targets.resize(1);
  config.targets[0].name = "engine";
  config.targets[0].query_text = text;
  return config;
}

SlowQuery slow(const std::string& type, int milliseconds, std::int64_t start_ms = kNow) {
  SlowQuery query;
  query.type = type;
  query.start_ms = start_ms;
  query.duration_ns = static_cast<std::uint64_t>(milliseconds) * 1'000'000;
  return query;
}

class QueriesTest : public testing::Test {
 protected:
  QueriesTest() { queries_.configure(config_of()); }

  void add(std::int64_t time_ms, std::vector<SlowQuery> slow_ones,
           std::optional<std::vector<InFlightQuery>> in_flight = std::vector<InFlightQuery>()) {
    queries_.add(
        {.target = "engine", .time_ms = time_ms, .slow = std::move(slow_ones), .in_flight = std::move(in_flight)});
  }
  Json ask(const std::string& type = "", std::int64_t now_ms = kNow) {
    const auto answer = queries_.answer("engine", type, now_ms);
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(Json());
  }
  std::vector<double> durations(const Json& answer) {
    std::vector<double> all;
    for (const Json& query : answer["slow"]) all.push_back(query["duration_seconds"]);
    return all;
  }

  Queries queries_;
};

TEST_F(QueriesTest, TheSlowestComeFirstWhateverTheirType) {
  add(kNow, {slow("walk", 30), slow("path", 500), slow("walk", 70)});
  EXPECT_THAT(durations(ask()), ElementsAre(0.5, 0.07, 0.03));
  EXPECT_THAT(durations(ask("walk")), ElementsAre(0.07, 0.03));
  EXPECT_THAT(durations(ask("none")), ElementsAre());
}

TEST_F(QueriesTest, OfEachTypeAndFiveMinutesFourAreKept) {
  for (int i = 1; i <= 10; ++i) add(kNow + i, {slow("walk", i)});
  EXPECT_THAT(durations(ask()), ElementsAre(0.010, 0.009, 0.008, 0.007));
  add(kNow + 5 * kMinute, {slow("walk", 2)});
  EXPECT_THAT(durations(ask()), ElementsAre(0.010, 0.009, 0.008, 0.007, 0.002));
}

TEST_F(QueriesTest, AnHourLaterTheyAreForgotten) {
  add(kNow, {slow("walk", 1000)});
  const std::int64_t end = kNow + 1000;
  EXPECT_THAT(durations(ask("", end + Queries::kKeptMs)), ElementsAre(1.0));
  EXPECT_THAT(durations(ask("", end + Queries::kKeptMs + 1)), ElementsAre());
}

TEST_F(QueriesTest, AtMostTwentyAreShown) {
  for (int part = 0; part < 6; ++part) {
    std::vector<SlowQuery> four;
    four.reserve(4);
    for (int i = 0; i < 4; ++i) four.push_back(slow("walk", 100 + part * 4 + i, kNow + part * 5 * kMinute));
    add(kNow + part * 5 * kMinute, four);
  }
  const std::vector<double> shown = durations(ask("", kNow + 30 * kMinute));
  ASSERT_EQ(shown.size(), 20U);
  EXPECT_DOUBLE_EQ(shown.front(), 0.123);
  EXPECT_DOUBLE_EQ(shown.back(), 0.104);
}

TEST_F(QueriesTest, OfVeryManyTypesThoseWithTheSlowestAreKept) {
  for (int i = 1; i <= 1'500; ++i) add(kNow, {slow("t" + std::to_string(i), i)});
  EXPECT_THAT(durations(ask("t500")), ElementsAre());
  EXPECT_THAT(durations(ask("t501")), ElementsAre(0.501));
  EXPECT_DOUBLE_EQ(durations(ask()).front(), 1.5);
}

TEST_F(QueriesTest, OneThatEndsInTheFutureDoesNotStayForEver) {
  SlowQuery lie = slow("walk", 1);
  lie.duration_ns = 1ULL << 54;  // 208 days
  add(kNow, {lie, slow("walk", 70)});
  EXPECT_THAT(durations(ask()), ElementsAre(0.07));
}

TEST_F(QueriesTest, OneQueryHasAllItsFigures) {
  SlowQuery query = slow("walk", 1500, kNow + 123);
  query.failed = true;
  query.process = 12;
  query.thread = 13;
  query.waits.emplace();
  (*query.waits)[OUTRIDER_WAIT_LOCK] = 1'250'000'000;
  (*query.waits)[OUTRIDER_WAIT_CPU] = 250'000'000;
  query.text = "SELECT ?";
  query.session = {"bench", "alice", "[local]"};
  add(kNow, {query});
  EXPECT_EQ(ask()["slow"][0], Json::parse(R"({"type": "walk", "start": "2025-11-26T15:00:00.123Z",
      "start_ms": 1764169200123, "duration_seconds": 1.5, "failed": true, "process": 12, "thread": 13,
      "waits": {"cpu_seconds": 0.25, "lock_seconds": 1.25}, "text": "SELECT ?",
      "database": "bench", "user": "alice", "client": "[local]"})"));
}

TEST_F(QueriesTest, WhatIsInFlightIsThatOfTheLastReading) {
  InFlightQuery query;
  query.type = "path";
  query.age_ns = 20'000'000'000;
  query.state = OUTRIDER_ON_CPU;
  query.thread = 7;
  add(kNow, {}, std::vector{query});
  const Json answer = ask();
  ASSERT_EQ(answer["in_flight"].size(), 1U);
  EXPECT_EQ(answer["in_flight"][0]["seconds"], 20);
  EXPECT_EQ(answer["in_flight"][0]["state"], "running");
  EXPECT_TRUE(answer["in_flight"][0]["stack"].is_null());
  EXPECT_NE(answer["in_flight"][0]["stack_missing"], "");
  EXPECT_EQ(ask("walk")["in_flight"].size(), 0U);
  add(kNow + 1000, {});
  EXPECT_EQ(ask()["in_flight"].size(), 0U);
}

TEST_F(QueriesTest, WhatIsNotProbedIsNotSaidToBeNothing) {
  add(kNow, {}, {});
  EXPECT_TRUE(ask()["in_flight"].is_null());
  EXPECT_NE(ask()["in_flight_missing"], "");
  add(kNow, {});
  EXPECT_EQ(ask()["in_flight"], Json::array());
  EXPECT_TRUE(ask()["in_flight_missing"].is_null());
  queries_.configure(config_of());
  EXPECT_TRUE(ask()["in_flight"].is_null()) << "it may not be watched any more";
}

TEST_F(QueriesTest, OfATargetThatIsNotConfiguredThereIsNothing) {
  queries_.add({.target = "other", .time_ms = kNow, .slow = {slow("walk", 1)}, .in_flight = {}});
  EXPECT_FALSE(queries_.answer("other", "", kNow).has_value());
}

TEST_F(QueriesTest, AReloadKeepsThemUnlessOtherTextMayBeShown) {
  add(kNow, {slow("walk", 5)});
  queries_.configure(config_of());
  EXPECT_THAT(durations(ask()), ElementsAre(0.005));
  queries_.configure(config_of("normalised"));
  EXPECT_THAT(durations(ask()), ElementsAre());
  EXPECT_EQ(ask()["text"], "normalised");
}

}  // namespace
}  // namespace outrider
