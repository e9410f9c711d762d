#include "userspace/agent/shedding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace outrider {
namespace {

constexpr double kCpuNs = 1e9;

/// A target whose probes, all attached, cost these percentages of its CPU at full load.
struct Load {
  double cache, start, end;
  double now = 1;  ///< of the full load
};

/// One interval: what is attached costs what it costs.
std::optional<std::string> pass(Shedder& shedder, const Load& load) {
  const ProbePlanForInterval plan = shedder.plan();
  std::array<double, OUTRIDER_RUNS> cost{};
  const double percent = load.now * kCpuNs / 100;
  if (plan.cache) cost[OUTRIDER_RUN_CACHE] = load.cache * percent;
  if (plan.mode == ProbeMode::kFull) cost[OUTRIDER_RUN_START] = load.start * percent;
  if (plan.mode != ProbeMode::kPaused) cost[OUTRIDER_RUN_END] = load.end * percent;
  return shedder.observe(cost, kCpuNs);
}

std::vector<ShedLevel> levels(Shedder& shedder, const Load& load, int intervals) {
  std::vector<ShedLevel> seen{shedder.level()};
  for (int i = 0; i < intervals; ++i) {
    (void)pass(shedder, load);
    if (shedder.level() != seen.back()) seen.push_back(shedder.level());
  }
  return seen;
}

using enum ShedLevel;

TEST(Shedding, GivesUpInOrder) {
  Shedder shedder(ShedOptions{});
  EXPECT_EQ(levels(shedder, {.cache = 20, .start = 20, .end = 20}, 50),
            (std::vector{kNothing, kCacheDuty, kLight, kQueryDuty}));
}

TEST(Shedding, StopsWhereTheBudgetIsKept) {
  Shedder cheap(ShedOptions{});
  EXPECT_EQ(levels(cheap, {.cache = 0.5, .start = 1, .end = 1}, 50), std::vector{kNothing});
  Shedder cache(ShedOptions{});  // 8 / 8 + 1 is within 3
  EXPECT_EQ(levels(cache, {.cache = 8, .start = 0.5, .end = 0.5}, 50), (std::vector{kNothing, kCacheDuty}));
  Shedder light(ShedOptions{});
  EXPECT_EQ(levels(light, {.cache = 0, .start = 9, .end = 2}, 50), (std::vector{kNothing, kLight}));
}

TEST(Shedding, NeverGoesQuietAndKeepsTheBudgetOverACycle) {
  Shedder shedder(ShedOptions{});
  const Load load{.cache = 0, .start = 40, .end = 45};  // 45 / 3: attached in one interval of 15
  (void)levels(shedder, load, 50);
  ASSERT_EQ(shedder.level(), kQueryDuty);
  const unsigned cycle = shedder.query_cycle();
  EXPECT_GE(cycle, 15U);
  EXPECT_LE(cycle, 16U);
  unsigned attached = 0;
  for (unsigned i = 0; i < 10 * cycle; ++i) {
    attached += shedder.plan().mode != ProbeMode::kPaused ? 1 : 0;
    EXPECT_FALSE(pass(shedder, load));
  }
  EXPECT_EQ(attached, 10U);
}

TEST(Shedding, EverythingComesBackWhenTheLoadFalls) {
  for (const double rest : {0.0, 0.01}) {
    Shedder shedder(ShedOptions{});
    Load load{.cache = 20, .start = 40, .end = 45};
    (void)levels(shedder, load, 50);
    ASSERT_EQ(shedder.level(), kQueryDuty);
    load.now = rest;
    const std::vector<ShedLevel> way = levels(shedder, load, 400);
    EXPECT_EQ(way.back(), kNothing);
    EXPECT_TRUE(std::is_sorted(way.rbegin(), way.rend()));  // no level twice
    EXPECT_EQ(shedder.plan().mode, ProbeMode::kFull);
    EXPECT_TRUE(shedder.plan().cache);
  }
}

TEST(Shedding, AnIdleTargetCostsNothing) {
  Shedder shedder(ShedOptions{});
  (void)levels(shedder, {.cache = 0, .start = 9, .end = 2}, 50);
  ASSERT_EQ(shedder.level(), kLight);
  for (int i = 0; i < 30; ++i) (void)shedder.observe({}, 0);
  EXPECT_EQ(shedder.level(), kNothing);
}

TEST(Shedding, ALoadThatStaysDoesNotMakeItFlap) {
  Shedder shedder(ShedOptions{});
  const Load load{.cache = 1, .start = 4, .end = 2};
  (void)levels(shedder, load, 50);
  EXPECT_EQ(levels(shedder, load, 500).size(), 1U);
}

TEST(Shedding, AModeThatTheUserChoseIsKept) {
  Shedder shedder(ShedOptions{.fixed = true});
  EXPECT_EQ(levels(shedder, {.cache = 90, .start = 90, .end = 90}, 50), std::vector{kNothing});
  Shedder unlimited(ShedOptions{.budget_percent = std::nullopt});
  EXPECT_EQ(levels(unlimited, {.cache = 90, .start = 90, .end = 90}, 50), std::vector{kNothing});
}

TEST(Shedding, WithoutADurationAtTheEndThereIsNoLightMode) {
  Shedder shedder(ShedOptions{.may_go_light = false});
  EXPECT_EQ(levels(shedder, {.cache = 20, .start = 20, .end = 20}, 50),
            (std::vector{kNothing, kCacheDuty, kQueryDuty}));
}

// An engine that was not there yet when the watch began.
TEST(Shedding, AnEngineWithoutDurationsEndsLightMode) {
  Shedder shedder(ShedOptions{});
  (void)levels(shedder, {.cache = 0, .start = 9, .end = 2}, 50);
  ASSERT_EQ(shedder.plan().mode, ProbeMode::kLight);
  shedder.set_may_go_light(false);
  EXPECT_EQ(shedder.plan().mode, ProbeMode::kFull);
}

}  // namespace
}  // namespace outrider
