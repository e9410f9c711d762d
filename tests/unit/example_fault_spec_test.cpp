// Faults on the command line of graph-engine: what is read, what is refused, and whom they hit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "usdt/example/fault_spec.h"

namespace outrider {
namespace {

using namespace example;
using testing::HasSubstr;

FaultSpec parsed(const char* text) {
  const auto spec = parse_fault(text);
  EXPECT_TRUE(spec) << text;
  return spec ? *spec : FaultSpec{};
}

TEST(FaultSpec, ReadsEveryPart) {
  const FaultSpec spec = parsed("cond:3.5/10@20+5");
  EXPECT_EQ(spec.kind, FaultKind::kCond);
  EXPECT_EQ(spec.value, 3.5);
  EXPECT_EQ(spec.share_percent, 10);
  EXPECT_EQ(spec.begin_seconds, 20);
  EXPECT_EQ(spec.length_seconds, 5);
}

TEST(FaultSpec, LeavesOutWhatIsOptional) {
  const FaultSpec spec = parsed("lock@0");
  EXPECT_EQ(spec.kind, FaultKind::kLock);
  EXPECT_EQ(spec.value, 3);
  EXPECT_EQ(spec.share_percent, 100);
  EXPECT_FALSE(spec.length_seconds.has_value());
  EXPECT_EQ(parsed("disk/25@1").share_percent, 25);
}

TEST(FaultSpec, TheValueOfAHangIsItsLength) {
  EXPECT_EQ(parsed("hang:2@5").length_seconds, 2);
  EXPECT_EQ(parsed("hang:2@5+7").length_seconds, 7);
  EXPECT_FALSE(parsed("hang@5").length_seconds.has_value());
}

TEST(FaultSpec, RefusesWithTheReason) {
  const auto reason = [](const char* text) {
    const auto spec = parse_fault(text);
    return spec ? std::string("accepted") : spec.error().message;
  };
  EXPECT_THAT(reason("cond:3"), HasSubstr("no @SECOND"));
  EXPECT_THAT(reason("quake@1"), HasSubstr("no fault kind 'quake'"));
  EXPECT_THAT(reason("cond:x@1"), HasSubstr("from 0 to 60000"));
  EXPECT_THAT(reason("cond:-1@1"), HasSubstr("from 0 to 60000"));
  EXPECT_THAT(reason("cond:nan@1"), HasSubstr("from 0 to 60000"));
  EXPECT_THAT(reason("errors:101@1"), HasSubstr("from 0 to 100"));
  EXPECT_THAT(reason("cond/101@1"), HasSubstr("percentage"));
  EXPECT_THAT(reason("slow/10@1"), HasSubstr("no share"));
  EXPECT_THAT(reason("crash:1@1"), HasSubstr("no value"));
  EXPECT_THAT(reason("slow@soon"), HasSubstr("second"));
  EXPECT_THAT(reason("slow@1+"), HasSubstr("length"));
  EXPECT_THAT(reason("slow@1+2x"), HasSubstr("length"));
  EXPECT_THAT(reason(""), HasSubstr("expected KIND"));
}

TEST(FaultPlan, IsActiveFromItsSecondUntilItsEnd) {
  const FaultPlan plan({parsed("slow:50@10+5")});
  EXPECT_EQ(plan.active(FaultKind::kSlow, 9.999), nullptr);
  ASSERT_NE(plan.active(FaultKind::kSlow, 10), nullptr);
  EXPECT_NE(plan.active(FaultKind::kSlow, 14.999), nullptr);
  EXPECT_EQ(plan.active(FaultKind::kSlow, 15), nullptr);
  Rng rng(1, 1);
  EXPECT_EQ(plan.draw(12, rng).slow_percent, 50);
  EXPECT_EQ(plan.draw(16, rng).slow_percent, 0);
}

TEST(FaultPlan, SharesAreDisjointAndAsLargeAsAskedFor) {
  const FaultPlan plan({parsed("cond:1/10@0"), parsed("pipe:2/30@0")});
  Rng rng(7, 0);
  int conds = 0;
  int pipes = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; i++) {
    const QueryFaults faults = plan.draw(1, rng);
    conds += faults.wait == FaultKind::kCond;
    pipes += faults.wait == FaultKind::kPipe;
    ASSERT_EQ(faults.wait_ms, faults.wait == FaultKind::kPipe ? 2 : faults.wait ? 1 : 0);
  }
  EXPECT_NEAR(conds, 10'000, 500);  // five standard deviations: sqrt(1e5 * 0.1 * 0.9) = 95
  EXPECT_NEAR(pipes, 30'000, 750);  // sqrt(1e5 * 0.3 * 0.7) = 145
}

TEST(FaultPlan, ColdTakesItsShareOfTheLooksIntoTheCache) {
  const FaultPlan plan({parsed("cold:30@5")});
  Rng rng(11, 0);
  int misses = 0;
  for (int i = 0; i < 100'000; i++) misses += plan.draw(6, rng).misses;
  EXPECT_NEAR(misses, 30'000, 750);  // as above
  EXPECT_FALSE(plan.draw(4, rng).misses);
}

TEST(FaultPlan, HalfOfTheFailuresAreExceptions) {
  const FaultPlan plan({parsed("errors:20@0")});
  Rng rng(3, 0);
  int failures = 0;
  int exceptions = 0;
  for (int i = 0; i < 100'000; i++) {
    const QueryFaults faults = plan.draw(0, rng);
    failures += faults.fails;
    exceptions += faults.throws;
    ASSERT_TRUE(faults.fails || !faults.throws);
  }
  EXPECT_NEAR(failures, 20'000, 650);  // five times sqrt(1e5 * 0.2 * 0.8) = 126
  EXPECT_NEAR(exceptions, 10'000, 500);
}

}  // namespace
}  // namespace outrider
