// Slots that change hands, and who blocked whom: every expected figure is worked out by hand.
#include "userspace/model/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "userspace/model/snapshot_builder.h"

namespace outrider {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kSecondUse = std::uint64_t{1} << 32;

TypeCounters type_with(const std::string& name, std::uint64_t slot, std::uint64_t queries) {
  TypeCounters type;
  type.type = name;
  type.slot = slot;
  type.queries = queries;
  type.duration_ns = queries * 1000;
  return type;
}

TEST(Figures, OfTwoSlotsWithOneNameEachGrowsForItself) {
  TargetCounters before, now, after;
  before.types = {type_with("SELECT 1", 7, 100)};
  now.types = {type_with("SELECT 1", 7, 102), type_with("SELECT 1", 9, 5)};  // 7 is given up, 9 is its heir
  after.types = {type_with("SELECT 1", 9, 6), type_with("SELECT 2", 7 + kSecondUse, 1)};  // and another type has 7
  const TypeId one{"SELECT 1", false}, two{"SELECT 2", false};
  EXPECT_EQ(difference(before, now).types.at(one).queries, 2U + 5U);
  const TargetFigures last = difference(now, after);
  EXPECT_EQ(last.types.at(one).queries, 1U);
  EXPECT_EQ(last.types.at(two).queries, 1U);
}

// `other` is a counter too: of what it did not run itself it shows nothing but in a summary. The totals miss nothing.
TEST(Figures, WhatATypeHadThatIsGivenUpMovesNoOtherType) {
  TargetCounters none, now;
  now.types = {type_with("SELECT 1", 1, 30), type_with("SELECT 2", 2, 12)};
  RunningTotals totals;
  totals.add(difference(none, now), 1);
  totals.give_up("SELECT 1");
  totals.give_up("never seen");
  EXPECT_EQ(totals.last_rate({"SELECT 1", false}), 0);
  SnapshotInput input;
  input.previous = input.current = &now;
  input.totals = &totals;
  input.interval_seconds = 1;
  const QueryMetrics live = build_snapshot(input).query_metrics;
  EXPECT_EQ(live.total_queries, 42U);
  EXPECT_EQ(live.interval_queries, 0U);
  ASSERT_EQ(live.query_type_breakdown.size(), 1U);
  EXPECT_EQ(live.query_type_breakdown.at("SELECT 2").count, 12U);
  input.summary = true;
  const QueryMetrics summary = build_snapshot(input).query_metrics;
  EXPECT_EQ(summary.total_queries, 42U);
  EXPECT_EQ(summary.query_type_breakdown.at(kOtherType).count, 30U);
}

TEST(Figures, BlockingIsOfTheIntervalTheLongestFirst) {
  TargetCounters before, now;
  before.types = {type_with("UPDATE", 1, 10)};
  before.types[0].duration_ns = 10 * kSecond;
  before.blocks = {{"UPDATE", "COMMIT", OUTRIDER_WAIT_LOCK, 4, 3 * kSecond}};
  now = before;
  now.types[0].queries = 14;
  now.types[0].duration_ns = 18 * kSecond;
  now.blocks = {{"UPDATE", "COMMIT", OUTRIDER_WAIT_LOCK, 5, 4 * kSecond},
                {"UPDATE", "", OUTRIDER_WAIT_IPC, 2, 2 * kSecond}};
  SnapshotInput input;
  input.previous = &before;
  input.current = &now;
  input.interval_seconds = 1;
  const auto blocking = build_snapshot(input).query_metrics.blocking;
  ASSERT_EQ(blocking.size(), 2U);
  EXPECT_EQ(blocking[0].blocked_by, "");
  EXPECT_EQ(blocking[0].wait, "ipc");
  EXPECT_EQ(blocking[0].count, 2U);
  EXPECT_DOUBLE_EQ(blocking[0].seconds, 2);
  EXPECT_DOUBLE_EQ(blocking[0].share.value(), 0.25);  // of 8 s
  EXPECT_EQ(blocking[1].blocked_by, "COMMIT");
  EXPECT_EQ(blocking[1].count, 1U);
  EXPECT_DOUBLE_EQ(blocking[1].seconds, 1);
}

}  // namespace
}  // namespace outrider
