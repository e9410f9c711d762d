// Availability: every expectation is worked out by hand from the planted history, on an injected clock.
#include "userspace/model/availability.h"

#include <gtest/gtest.h>

#include "userspace/model/snapshot_json.h"

namespace outrider {
namespace {

constexpr std::int64_t kSecond = 1000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kStart = 1'700'006'400'000;  // 2023-11-15T00:00:00Z: the edge of a minute and of an hour

// A target observed every `step`, idle unless said otherwise.
class History {
 public:
  explicit History(const AvailabilityOptions& options = {}) : tracker(options) { see(true); }
  void see(std::optional<bool> running, std::optional<std::int64_t> in_flight = 0, std::uint64_t ended = 0) {
    tracker.observe({now, running, in_flight, ended});
  }
  void pass(std::int64_t duration, std::optional<bool> running, std::int64_t step = kSecond) {
    for (const std::int64_t end = now + duration; now < end;) {
      now += step;
      see(running);
    }
  }
  [[nodiscard]] Availability current() const { return tracker.current(now); }

  AvailabilityTracker tracker;
  std::int64_t now = kStart;
};

TEST(Availability, NothingKnownAtFirst) {
  const AvailabilityTracker tracker;
  const Availability none = tracker.current(kStart);
  EXPECT_EQ(none.state, "unknown");
  EXPECT_FALSE(none.ratio_1h || none.ratio_24h || none.ratio_30d || none.error_budget_left);
}

TEST(Availability, DownTimeIsCountedInEachWindow) {
  History history;
  history.pass(30 * kMinute, true);
  history.pass(10 * kMinute, false);
  EXPECT_EQ(history.current().state, "down");
  EXPECT_DOUBLE_EQ(*history.current().ratio_1h, 30.0 / 40);
  history.pass(60 * kMinute - kSecond, true);  // 11:39:59: the window is that minute and the 60 before it, 0:39 on
  EXPECT_EQ(history.current().state, "up");
  EXPECT_DOUBLE_EQ(*history.current().ratio_1h, 3599.0 / 3659);  // minute 39 was down
  history.pass(kSecond, true);
  EXPECT_DOUBLE_EQ(*history.current().ratio_1h, 1);
  EXPECT_DOUBLE_EQ(*history.current().ratio_24h, 90.0 / 100);
  EXPECT_DOUBLE_EQ(*history.current().ratio_30d, 90.0 / 100);
}

TEST(Availability, BudgetIsAgainstThirtyFullDays) {
  // 99.9 % of 30 days allows 43.2 minutes of down time.
  History history;
  history.pass(kHour, true);
  EXPECT_DOUBLE_EQ(*history.current().error_budget_left, 1);
  history.pass(648 * kSecond, false);  // 10.8 minutes
  EXPECT_NEAR(*history.current().error_budget_left, 0.75, 1e-9);
  history.pass(kHour, false);
  EXPECT_EQ(*history.current().error_budget_left, 0);
  History strict({1.0, 30'000, 10'000});
  strict.pass(kMinute, true);
  EXPECT_EQ(*strict.current().error_budget_left, 1);
  strict.pass(kSecond, false);
  EXPECT_EQ(*strict.current().error_budget_left, 0);
}

TEST(Availability, OldTimeLeavesTheWindows) {
  History history;
  history.pass(kHour, false, 10 * kSecond);
  history.pass(29 * kDay, true, 10 * kSecond);
  EXPECT_DOUBLE_EQ(*history.current().ratio_24h, 1);
  EXPECT_DOUBLE_EQ(*history.current().ratio_30d, 29.0 * 24 / (29 * 24 + 1));
  history.pass(kDay + kHour, true, 10 * kSecond);
  EXPECT_DOUBLE_EQ(*history.current().ratio_30d, 1);
  EXPECT_EQ(*history.current().error_budget_left, 1);
}

TEST(Availability, StalledIsInFlightAndNothingEnds) {
  History history;
  history.see(true, 2, 5);
  for (int i = 0; i < 29; ++i) {
    history.now += kSecond;
    history.see(true, 2, 5);
  }
  EXPECT_EQ(history.current().state, "up");
  history.now += kSecond;
  history.see(true, 2, 5);
  EXPECT_EQ(history.current().state, "stalled");
  EXPECT_NEAR(*history.current().ratio_1h, 29.0 / 30, 1e-12);
  history.now += kSecond;
  history.see(true, 2, 6);  // one ended
  EXPECT_EQ(history.current().state, "up");
}

TEST(Availability, AnIdleTargetIsNotStalled) {
  History idle;
  idle.pass(10 * kMinute, true);
  EXPECT_EQ(idle.current().state, "up");
}

TEST(Availability, AGapIsUnknownAndNotUp) {
  History history;
  history.pass(10 * kMinute, true);
  history.pass(10 * kMinute, false);
  history.now += 20 * kMinute;  // the agent slept, or the clock jumped
  EXPECT_EQ(history.current().state, "unknown");
  history.see(true);
  EXPECT_EQ(history.current().state, "up");
  EXPECT_DOUBLE_EQ(*history.current().ratio_1h, 0.5);
  history.pass(5 * kMinute, std::nullopt);
  EXPECT_EQ(history.current().state, "unknown");
  EXPECT_DOUBLE_EQ(*history.current().ratio_1h, 0.5);
}

TEST(Availability, AClockThatGoesBackCountsNothingTwice) {
  History history;
  history.pass(10 * kMinute, true);
  history.now -= 5 * kMinute;
  history.see(false);
  EXPECT_EQ(history.current().state, "down");
  EXPECT_DOUBLE_EQ(*history.current().ratio_1h, 1);
  history.now = kStart - kDay;  // far back: nothing of the future is in the window
  history.see(true);
  EXPECT_FALSE(history.current().ratio_1h);
}

TEST(Availability, SurvivesARestartWithTheTimeBetweenUnknown) {
  History before;
  before.pass(30 * kMinute, true);
  before.pass(10 * kMinute, false);
  History after;
  ASSERT_TRUE(after.tracker.restore(before.tracker.serialise()));
  after.now = before.now;
  EXPECT_EQ(after.current().state, "unknown");
  EXPECT_DOUBLE_EQ(*after.current().ratio_1h, 0.75);
  after.now += 5 * kSecond;  // shorter than a gap, and still unknown
  after.see(true);
  EXPECT_EQ(after.current().state, "up");
  EXPECT_DOUBLE_EQ(*after.current().ratio_1h, 0.75);
  EXPECT_EQ(after.tracker.serialise(), before.tracker.serialise());
}

TEST(Availability, KeptStateIsSmall) {
  History steady;
  steady.pass(31 * kDay, true, 10 * kSecond);
  EXPECT_LT(steady.tracker.serialise().size(), 300U);
  History flapping;
  for (int i = 0; i < 31 * 24 * 60; ++i) {
    flapping.pass(10 * kSecond * (i % 5 + 1), i % 2 == 0, 10 * kSecond);
  }
  EXPECT_LT(flapping.tracker.serialise().size(), 100'000U);
}

TEST(Availability, WhatWasKeptIsAddedToWhatIsKnownAlready) {
  History before;
  before.pass(30 * kMinute, true);
  before.pass(10 * kMinute, false);
  History after;
  after.now = before.now + kSecond;
  after.see(true);
  after.pass(20 * kMinute, true);
  ASSERT_TRUE(after.tracker.restore(before.tracker.serialise()));
  EXPECT_EQ(after.current().state, "up");
  EXPECT_NEAR(*after.current().ratio_24h, 50.0 / 60, 1e-9);
}

TEST(Availability, WithoutStartsAHangIsUnknownAndNotUp) {
  AvailabilityTracker tracker;
  AvailabilityObservation seen{1'700'000'000'000, true, std::nullopt, 7};
  for (int second = 0; second < 120; ++second) {
    tracker.observe(seen);
    seen.now_ms += 1'000;
  }
  EXPECT_EQ(tracker.current(seen.now_ms).state, "unknown");
  ++seen.ended;
  tracker.observe(seen);
  EXPECT_EQ(tracker.current(seen.now_ms).state, "up");
}

TEST(Availability, DamagedStateIsRefusedAndAddsNothing) {
  for (const char* text : {
           "",
           "x",
           "[]",
           "{}",
           "null",
           R"({"version":2,"minutes":[],"hours":[]})",
           R"({"version":1,"minutes":[]})",
           R"({"version":1,"minutes":7,"hours":[]})",
           R"({"version":1,"minutes":[[1,1,1]],"hours":[]})",
           R"({"version":1,"minutes":[[1,1,60001,0]],"hours":[]})",
           R"({"version":1,"minutes":[[1,1,-1,0]],"hours":[]})",
           R"({"version":1,"minutes":[[1,1442,1,0]],"hours":[]})",
           R"({"version":1,"minutes":[[1,0,1,0]],"hours":[]})",
           R"({"version":1,"minutes":[[4294967295,9,1,0]],"hours":[]})",
           R"({"version":1,"minutes":[[18446744073709551615,1,1,0]],"hours":[]})",
           R"({"version":1,"minutes":[[1,1,1,0]],"hours":[["1",1,1,0]]})",
       }) {
    History history;
    history.pass(kMinute, true);
    EXPECT_FALSE(history.tracker.restore(text)) << text;
    EXPECT_EQ(history.current().ratio_1h, 1.0) << text;
  }
}

TEST(Availability, IsInTheSnapshotsJsonOnlyWherePresent) {
  Snapshot snapshot;
  EXPECT_FALSE(to_json(snapshot).contains("availability"));
  snapshot.availability = Availability{"up", 1.0, 0.5, std::nullopt, 0.25};
  EXPECT_EQ(to_json(snapshot)["availability"].dump(),
            R"({"state":"up","ratio_1h":1.0,"ratio_24h":0.5,"ratio_30d":null,"error_budget_left":0.25})");
}

TEST(Availability, ASnapshotAsAnObservation) {
  Snapshot snapshot;
  snapshot.timestamp_ms = 5;
  snapshot.query_metrics.total_queries = 7;
  snapshot.query_metrics.abandoned_queries = 2;
  snapshot.query_metrics.current_concurrent = 3;
  const AvailabilityObservation seen = observation_of(snapshot, true);
  EXPECT_EQ(seen.now_ms, 5);
  EXPECT_EQ(seen.ended, 9U);
  EXPECT_EQ(seen.in_flight, 3);
}

}  // namespace
}  // namespace outrider
