// What the guards report, seen through breakpoints on this program's own probe sites.
#include <gtest/gtest.h>
#include <setjmp.h>

#include <array>
#include <optional>
#include <outrider/query.hpp>
#include <set>
#include <stdexcept>
#include <thread>

#include "usdt_trap.h"

namespace outrider {
namespace {

using testing::TrapWatcher;

// Indexes of arguments, from the contract.
constexpr std::size_t kStartDepth = 2;
constexpr std::size_t kStatus = 2;
constexpr std::size_t kDuration = 3;
constexpr std::size_t kEndDepth = 4;
constexpr std::size_t kHits = 5;
constexpr std::size_t kMisses = 6;

TEST(UsdtGuard, PassesEveryArgument) {
  TrapWatcher watcher;
  std::uint64_t before = outrider_now_ns();
  std::uint64_t start = 0;
  std::uint64_t duration = 0;
  {
    Query query{"factual"};
    EXPECT_TRUE(query.armed());
    query.hit(3);
    query.miss();
    query.finish();
    start = query.start_ns();
    duration = query.duration_ns();
  }
  std::uint64_t after = outrider_now_ns();
  auto starts = watcher.events("query__start");
  auto ends = watcher.events("query__end");
  ASSERT_EQ(starts.size(), 1u);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_STREQ(starts[0].text, "factual");
  EXPECT_STREQ(ends[0].text, "factual");
  EXPECT_EQ(starts[0].args[0], ends[0].args[0]);
  EXPECT_NE(starts[0].args[0], 0u);
  EXPECT_EQ(starts[0].args[0] >> 63, 0u);
  EXPECT_EQ(starts[0].args[kStartDepth], 1u);
  EXPECT_EQ(ends[0].args[kStatus], 0u);
  EXPECT_EQ(ends[0].args[kDuration], duration);
  EXPECT_EQ(ends[0].args[kEndDepth], 1u);
  EXPECT_EQ(ends[0].args[kHits], 3u);
  EXPECT_EQ(ends[0].args[kMisses], 1u);
  EXPECT_GE(start, before);
  EXPECT_LE(start + duration, after);
}

TEST(UsdtGuard, FailureIsReported) {
  TrapWatcher watcher;
  {
    Query query{"path"};
    query.fail();
  }
  auto ends = watcher.events("query__end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].args[kStatus], 1u);
}

TEST(UsdtGuard, ExceptionIsFailure) {
  TrapWatcher watcher;
  EXPECT_THROW(
      {
        Query query{"path"};
        throw std::runtime_error("broken");
      },
      std::runtime_error);
  auto ends = watcher.events("query__end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].args[kStatus], 1u);
}

struct QueryWhileUnwinding {
  ~QueryWhileUnwinding() { Query query{"cleanup"}; }
};

TEST(UsdtGuard, QueryRunDuringUnwindingIsNoFailure) {
  TrapWatcher watcher;
  try {
    QueryWhileUnwinding cleanup;
    throw std::runtime_error("broken");
  } catch (const std::runtime_error&) {
  }
  auto ends = watcher.events("query__end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].args[kStatus], 0u);
}

TEST(UsdtGuard, CaughtInsideIsNoFailure) {
  TrapWatcher watcher;
  {
    Query query{"path"};
    try {
      throw std::runtime_error("handled");
    } catch (const std::runtime_error&) {
    }
  }
  EXPECT_EQ(watcher.events("query__end").at(0).args[kStatus], 0u);
}

TEST(UsdtGuard, NestedQueriesHaveDepths) {
  TrapWatcher watcher;
  {
    Query outer{"outer"};
    {
      Query middle{"middle"};
      Query inner{"inner"};
    }
    Query sibling{"sibling"};
  }
  std::vector<std::uint64_t> depths;
  for (const auto& event : watcher.events("query__start")) depths.push_back(event.args[kStartDepth]);
  EXPECT_EQ(depths, (std::vector<std::uint64_t>{1, 2, 3, 2}));
  depths.clear();
  for (const auto& event : watcher.events("query__end")) depths.push_back(event.args[kEndDepth]);
  EXPECT_EQ(depths, (std::vector<std::uint64_t>{3, 2, 2, 1}));
}

void nest(int levels) {
  Query query{"deep"};
  if (levels > 1) nest(levels - 1);
}

TEST(UsdtGuard, DepthHoldsBeyondWhatIsRemembered) {
  TrapWatcher watcher;
  nest(40);
  nest(1);
  auto starts = watcher.events("query__start");
  ASSERT_EQ(starts.size(), 41u);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(starts[i].args[kStartDepth], i + 1);
  EXPECT_EQ(starts[40].args[kStartDepth], 1u);
}

jmp_buf unwind_target;

// Makes the compiler give a buffer its whole room on the stack.
void keep(char* buffer) { __asm__ volatile("" : : "r"(buffer) : "memory"); }

void jump_to_target() { longjmp(unwind_target, 1); }
void (*volatile jump)() = jump_to_target;  // unknown to the compiler: its callers keep their frames

__attribute__((noinline)) void jump_out(int levels) {
  Query query{"jumping"};
  if (levels > 1)
    jump_out(levels - 1);
  else
    jump();
}

__attribute__((noinline)) void large_frame() {
  char frame[4096];
  keep(frame);
  Query query{"large"};
  keep(frame);
}

__attribute__((noinline)) void small_frame() { Query query{"small"}; }

TEST(UsdtGuard, LongjmpLeavesNoDepthBehind) {
  TrapWatcher watcher;
  static int round;
  for (round = 0; round < 3; ++round) {
    if (setjmp(unwind_target) == 0) jump_out(3);
    small_frame();
    if (setjmp(unwind_target) == 0) jump_out(1);
    large_frame();
    if (setjmp(unwind_target) == 0) jump_out(2);
  }
  std::vector<std::uint64_t> jumping;
  for (const auto& event : watcher.events("query__start")) {
    if (std::string(event.text) == "jumping") {
      jumping.push_back(event.args[kStartDepth]);
    } else {
      EXPECT_EQ(event.args[kStartDepth], 1u) << event.text;
    }
  }
  const std::vector<std::uint64_t> one_round = {1, 2, 3, 1, 1, 2};
  std::vector<std::uint64_t> expected;
  for (int i = 0; i < 3; ++i) expected.insert(expected.end(), one_round.begin(), one_round.end());
  EXPECT_EQ(jumping, expected);
  EXPECT_EQ(watcher.events("query__end").size(), 6u);
}

TEST(UsdtGuard, LongjmpKeepsTheOuterQuery) {
  TrapWatcher watcher;
  {
    Query outer{"outer"};
    if (setjmp(unwind_target) == 0) jump_out(2);
    small_frame();
  }
  EXPECT_EQ(watcher.events("query__start").back().args[kStartDepth], 2u);
  EXPECT_EQ(watcher.events("query__end").back().args[kEndDepth], 1u);
  { Query after{"after"}; }
  EXPECT_EQ(watcher.events("query__start").back().args[kStartDepth], 1u);
}

__attribute__((noinline)) void deeper_frame() { large_frame(); }

TEST(UsdtGuard, UnwoundForgetsWhatCannotBeSeen) {
  TrapWatcher watcher;
  if (setjmp(unwind_target) == 0)
    jump_out(1);
  else
    outrider_unwound();
  deeper_frame();
  EXPECT_EQ(watcher.events("query__start").back().args[kStartDepth], 1u);
}

// A guard inside an object whose constructor is a function of its own: the constructor has returned, the guard lives.
class Wrapper {
 public:
  __attribute__((noinline)) explicit Wrapper(const char* type) { query_.emplace(type); }

 private:
  std::optional<Query> query_;
};

TEST(UsdtGuard, GuardInsideAWrapperStaysAlive) {
  TrapWatcher watcher;
  {
    Wrapper outer{"outer"};
    Query inner{"inner"};
    Wrapper innermost{"innermost"};
  }
  auto ends = watcher.events("query__end");
  ASSERT_EQ(ends.size(), 3u);
  EXPECT_EQ(ends[0].args[kEndDepth], 3u);
  EXPECT_EQ(ends[1].args[kEndDepth], 2u);
  EXPECT_EQ(ends[2].args[kEndDepth], 1u);
}

// Each of the next three leaves a dead guard that only one of the rules in thread_state.h can find.
__attribute__((noinline)) void jump_out_one_call_deeper() {
  volatile int not_a_tail_call = 0;
  jump_out(1);
  not_a_tail_call = not_a_tail_call + 1;
}

TEST(UsdtGuard, LongjmpOutOfADeeperFunctionThanTheNext) {
  TrapWatcher watcher;
  if (setjmp(unwind_target) == 0) jump_out_one_call_deeper();
  large_frame();  // its own frame covers where the dead guard was
  EXPECT_EQ(watcher.events("query__start").back().args[kStartDepth], 1u);
}

__attribute__((noinline)) void jump_out_of_wrapper() {
  Wrapper wrapper{"jumping"};
  jump();
}

__attribute__((noinline)) void jump_out_of_wrapper_far_below() {
  char frame[4096];
  keep(frame);
  jump_out_of_wrapper();
  keep(frame);
}

TEST(UsdtGuard, LongjmpSkipsAWrapper) {
  TrapWatcher watcher;
  if (setjmp(unwind_target) == 0) jump_out_of_wrapper_far_below();
  small_frame();
  EXPECT_EQ(watcher.events("query__start").back().args[kStartDepth], 1u);
}

__attribute__((noinline)) void jump_into_own_function() {
  static int round;
  for (round = 0; round < 3; ++round) {
    if (setjmp(unwind_target) != 0) continue;
    Wrapper wrapper{"jumping"};
    jump();
  }
}

TEST(UsdtGuard, LongjmpIntoTheFunctionThatHoldsTheGuard) {
  TrapWatcher watcher;
  jump_into_own_function();
  auto starts = watcher.events("query__start");
  EXPECT_EQ(starts.size(), 3u);
  for (const auto& event : starts) EXPECT_EQ(event.args[kStartDepth], 1u);
  outrider_unwound();  // the last one was never replaced
}

TEST(UsdtGuard, DetachedQueryCrossesThreads) {
  TrapWatcher watcher;
  DetachedQuery query{"relational"};
  query.hit(2);
  query.release();
  std::uint64_t id = query.id();
  std::thread([moved = std::move(query)]() mutable {
    moved.attach();
    moved.fail();
    moved.end();
  }).join();
  EXPECT_EQ(id >> 63, 1u);
  auto switches = watcher.events("query__switch");
  ASSERT_EQ(switches.size(), 2u);
  EXPECT_EQ(switches[0].args[0], 0u);
  EXPECT_EQ(switches[1].args[0], id);
  auto ends = watcher.events("query__end");
  ASSERT_EQ(ends.size(), 1u);  // the moved-from guard reports nothing
  EXPECT_EQ(ends[0].args[0], id);
  EXPECT_EQ(ends[0].args[kStatus], 1u);
  EXPECT_EQ(ends[0].args[kEndDepth], 1u);
  EXPECT_EQ(ends[0].args[kHits], 2u);
}

TEST(UsdtGuard, DroppedDetachedQueryFailed) {
  TrapWatcher watcher;
  { DetachedQuery query{"relational"}; }
  EXPECT_EQ(watcher.events("query__end").at(0).args[kStatus], 1u);
}

TEST(UsdtGuard, IdsAreUniqueAcrossThreads) {
  TrapWatcher watcher;
  std::array<std::thread, 4> threads;
  for (auto& thread : threads)
    thread = std::thread([] {
      for (int i = 0; i < 50; ++i) Query query{"factual"};
    });
  for (auto& thread : threads) thread.join();
  std::set<std::uint64_t> ids;
  for (const auto& event : watcher.events("query__start")) {
    ids.insert(event.args[0]);
    EXPECT_EQ(event.args[kStartDepth], 1u);
  }
  EXPECT_EQ(ids.size(), 200u);
}

TEST(UsdtGuard, UnwatchedReportsNothingAndTimesOnDemand) {
  Query quiet{"quiet"};
  EXPECT_FALSE(quiet.armed());
  Query timed{"timed", kTimed};
  EXPECT_FALSE(timed.armed());
  std::uint64_t until = outrider_now_ns() + 1000000;
  while (outrider_now_ns() < until) {
  }
  timed.finish();
  EXPECT_GE(timed.duration_ns(), 1000000u);
  TrapWatcher watcher;  // came too late for `quiet`: it was not armed when it began
  quiet.finish();
  EXPECT_TRUE(watcher.events("query__end").empty());
}

TEST(UsdtGuard, DurationReachesTheRecordThroughAnException) {
  TrapWatcher watcher;
  std::uint64_t recorded = 0;
  EXPECT_THROW(
      {
        Query query("path", kTimed, &recorded);
        throw std::runtime_error("broken");
      },
      std::runtime_error);
  EXPECT_GT(recorded, 0u);
  EXPECT_EQ(watcher.events("query__end").at(0).args[kDuration], recorded);
}

TEST(UsdtGuard, EndProbeAloneArms) {
  TrapWatcher watcher({"query__end"});
  { Query query{"factual"}; }
  EXPECT_TRUE(watcher.events("query__start").empty());
  EXPECT_EQ(watcher.events("query__end").size(), 1u);
}

TEST(UsdtGuard, WatcherGoesAwayInTheMiddle) {
  std::optional<TrapWatcher> watcher(std::in_place);
  {
    Query query{"factual"};
    watcher->stop();
  }
  EXPECT_TRUE(watcher->events("query__end").empty());
  watcher.reset();
  TrapWatcher again;
  { Query query{"factual"}; }
  EXPECT_EQ(again.events("query__start").at(0).args[kStartDepth], 1u);
}

TEST(UsdtGuard, PhasesAndCaches) {
  TrapWatcher watcher;
  { Phase phase{"parse"}; }
  cache_hit("results");
  cache_miss("results");
  EXPECT_STREQ(watcher.events("phase__start").at(0).text, "parse");
  EXPECT_STREQ(watcher.events("phase__end").at(0).text, "parse");
  EXPECT_STREQ(watcher.events("cache__hit").at(0).text, "results");
  EXPECT_STREQ(watcher.events("cache__miss").at(0).text, "results");
}

TEST(UsdtGuard, OneSitePerProbe) {
  TrapWatcher watcher;
  std::set<std::string> probes;
  for (const auto& site : watcher.sites()) probes.insert(site.probe);
  EXPECT_EQ(probes.size(), 7u);
  EXPECT_EQ(watcher.sites().size(), 7u);
}

}  // namespace
}  // namespace outrider
