// The BPF programs, loaded and attached to this very program: the verifier takes them, and what they count of queries
// in exact places is exact, in the corners too: no slot left, no table entry left, too deep, no start, no end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "outrider/query.hpp"
#include "tests/bpf/session_fixture.h"
#include "userspace/kernel/return_probes.h"

namespace outrider {
namespace {

constexpr std::size_t kInFlightLimit = 16384;  // of the table of detached queries

std::uint64_t all_losses(const TargetCounters& counters) {
  std::uint64_t sum = 0;
  for (const std::uint64_t loss : counters.losses) sum += loss;
  return sum;
}

void run_queries(const char* type, int count) {
  for (int i = 0; i < count; ++i) const outrider::Query query(type);
}

void nest(int depth) {
  if (depth == 0) return;
  const outrider::Query query("nested");
  nest(depth - 1);
}

TEST_P(Session, CountsQueriesFailuresAndCacheAccesses) {
  open();
  attach_all();
  run_queries("plain", 7);
  for (int i = 0; i < 3; ++i) {
    outrider::Query query("failing");
    query.hit(2);
    query.miss();
    query.fail();
  }
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "plain").queries, 7U);
  const TypeCounters failing = type_of(now, "failing");
  EXPECT_EQ(failing.queries, 3U);
  EXPECT_EQ(failing.failed, 3U);
  EXPECT_EQ(failing.cache_hits, 6U);
  EXPECT_EQ(failing.cache_misses, 3U);
  EXPECT_EQ(failing.timed, 3U);
  EXPECT_EQ(all_losses(now), 0U);
  EXPECT_EQ(now.interval_peak, 1U);
  EXPECT_EQ(now.runs[OUTRIDER_RUN_START], 10U);
  EXPECT_EQ(now.runs[OUTRIDER_RUN_END], 10U);
}

TEST_P(Session, TypesBeyondTheLimitFallUnderOther) {
  constexpr unsigned kLimit = 4;
  open({.max_types_per_target = kLimit});
  attach_all();
  constexpr int kTypes = 10;
  constexpr int kEach = 5;
  for (int i = 0; i < kTypes; ++i) run_queries(("type" + std::to_string(i)).c_str(), kEach);
  const TargetCounters now = counters();
  std::uint64_t named = 0;
  std::uint64_t types = 0;
  for (const TypeCounters& type : now.types) {
    if (type.type == "other" || type.queries == 0) continue;
    EXPECT_EQ(type.queries, 5U) << type.type;
    named += type.queries;
    ++types;
  }
  EXPECT_EQ(types, kLimit);
  EXPECT_EQ(type_of(now, "other").queries, std::uint64_t{kTypes} * kEach - named);
  EXPECT_GT(now.losses[OUTRIDER_LOSS_TYPES_FULL], 0U);
}

TEST_P(Session, DepthIsBoundedAndWhatLiesDeeperIsCounted) {
  open();
  attach_all();
  nest(OUTRIDER_MAX_DEPTH + 3);
  run_queries("after", 2);
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "nested").queries, 1U);
  EXPECT_EQ(type_of(now, "nested", true).queries, OUTRIDER_MAX_DEPTH - 1U);
  EXPECT_EQ(now.losses[OUTRIDER_LOSS_TOO_DEEP], 3U);
  EXPECT_EQ(all_losses(now), 3U);
  EXPECT_EQ(type_of(now, "after").queries, 2U);
  EXPECT_EQ(now.concurrent, 0);
}

TEST_P(Session, AQueryThatBeganBeforeTheStartProbeIsCountedByItsEnd) {
  open();
  attach({ProbeGroup::kQuery});
  {
    const outrider::Query query("begun before");
    attach({ProbeGroup::kStart});
    session().set_complete(target_, true);
  }
  run_queries("seen", 1);
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "begun before").queries, 1U);
  EXPECT_EQ(type_of(now, "begun before").timed, 0U);
  EXPECT_EQ(all_losses(now), 0U);
  EXPECT_EQ(type_of(now, "seen").queries, 1U);
  EXPECT_EQ(type_of(now, "seen").timed, 1U);
  EXPECT_EQ(now.concurrent, 0);
}

TEST_P(Session, AGuardThatTheAttachKeptForLongIsCountedByItsEnd) {
  open();
  attach({ProbeGroup::kQuery});
  session().set_complete(target_, true);
  usleep(50'000);          // longer than any grace that a clock would give
  run_queries("kept", 1);  // no start is seen, as if the thread had been past that probe, but not yet read the clock
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "kept").queries, 1U);
  EXPECT_EQ(type_of(now, "kept").timed, 0U);
  EXPECT_EQ(all_losses(now), 0U);
}

TEST_P(Session, AnEndOfWhatTheParentBeganIsALossAndNoQuery) {
  open();
  attach_all();
  {
    const outrider::Query query("parent's");
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      query.~Query();
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "parent's").queries, 1U);
  EXPECT_EQ(now.losses[OUTRIDER_LOSS_UNMATCHED_END], 1U);
}

TEST_P(Session, WhatTheParentBeganIsNoQueryOfAForkInLightModeEither) {
  open();
  attach({ProbeGroup::kQuery});
  outrider::DetachedQuery early("early");  // its start is not seen, so its end would be believed
  const outrider::Query query("parent's");
  attach({ProbeGroup::kStart});
  session().set_complete(target_, true);
  ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_LIGHT));
  const auto end_in_a_fork = [&] {
    const pid_t child = fork();
    if (child == 0) {
      query.~Query();
      early.~DetachedQuery();
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  };
  end_in_a_fork();
  ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_FULL));
  end_in_a_fork();
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "parent's").queries, 0U);
  EXPECT_EQ(type_of(now, "early").queries, 0U);
  EXPECT_EQ(now.losses[OUTRIDER_LOSS_UNMATCHED_END], 4U);
}

TEST_P(Session, LightModeNeedsNoStart) {
  open();
  ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_LIGHT));
  attach({ProbeGroup::kQuery});
  run_queries("light", 4);
  nest(3);
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "light").queries, 4U);
  EXPECT_EQ(type_of(now, "light").timed, 0U);
  EXPECT_EQ(type_of(now, "nested").queries, 1U);
  EXPECT_EQ(type_of(now, "nested", true).queries, 2U);
  EXPECT_EQ(now.runs[OUTRIDER_RUN_START], 0U);
  EXPECT_EQ(all_losses(now), 0U);
}

TEST_P(Session, AChangeOfModeCountsWhatIsInFlightByItsEndAndLeavesNoGhost) {
  open();
  attach_all();
  {
    const outrider::Query query("cut");
    EXPECT_EQ(counters().concurrent, 1);
    session().set_complete(target_, false);
    ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_LIGHT));
    ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_FULL));
    session().set_complete(target_, true);
    EXPECT_EQ(counters().concurrent, 0);
  }
  run_queries("whole", 3);
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "cut").queries, 1U);
  EXPECT_EQ(all_losses(now), 0U);
  EXPECT_EQ(type_of(now, "whole").queries, 3U);
  EXPECT_EQ(now.concurrent, 0);
  EXPECT_EQ(now.oldest_start_ns, 0U);
}

TEST_P(Session, QueriesInFlightBeyondTheTableAreCountedAsLost) {
  constexpr std::size_t kBeyond = 5;
  open();
  attach_all();
  {
    std::deque<outrider::DetachedQuery> queries;
    for (std::size_t i = 0; i < kInFlightLimit + kBeyond; ++i) {
      queries.emplace_back("detached");
      queries.back().release();
    }
    const TargetCounters now = counters();
    EXPECT_EQ(now.concurrent, static_cast<std::int64_t>(kInFlightLimit));
    EXPECT_EQ(now.losses[OUTRIDER_LOSS_INFLIGHT_FULL], kBeyond);
    EXPECT_GT(now.oldest_start_ns, 0U);
    while (!queries.empty()) {
      queries.front().end();
      queries.pop_front();
    }
  }
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "detached").queries, kInFlightLimit);
  EXPECT_EQ(now.losses[OUTRIDER_LOSS_UNMATCHED_END], kBeyond);
  EXPECT_EQ(now.concurrent, 0);
  EXPECT_EQ(now.oldest_start_ns, 0U);
}

TEST_P(Session, PhasesAndCacheProbes) {
  open();
  attach_all();
  for (int i = 0; i < 3; ++i) {
    const outrider::Phase phase("parse");
    outrider::cache_hit("results");
  }
  {
    const outrider::Query query("inside");
    outrider::cache_miss("results");
  }
  const TargetCounters now = counters();
  ASSERT_TRUE(now.phases.contains("parse"));
  EXPECT_EQ(now.phases.at("parse").count, 3U);
  EXPECT_EQ(now.cache_hits, 3U);
  EXPECT_EQ(type_of(now, "inside").cache_misses, 1U);
  EXPECT_EQ(all_losses(now), 0U);
}

TEST_P(Session, PhasesBeyondTheDepthAreCountedAsTooDeep) {
  open();
  attach_all();
  { const outrider::Phase one("1"), two("2"), three("3"), four("4"), five("5"), six("6"); }
  const TargetCounters now = counters();
  EXPECT_EQ(now.phases.size(), 4U);
  ASSERT_TRUE(now.phases.contains("1") && now.phases.contains("4"));
  EXPECT_EQ(now.losses[OUTRIDER_LOSS_TOO_DEEP], 2U);
  EXPECT_EQ(all_losses(now), 2U);
}

TEST_P(Session, PhasesNeedNotEndInTheOrderInWhichTheyBegan) {
  open();
  attach_all();
  auto plan = std::make_unique<outrider::Phase>("plan");
  auto execute = std::make_unique<outrider::Phase>("execute");
  plan.reset();
  usleep(20'000);
  execute.reset();
  const TargetCounters now = counters();
  ASSERT_TRUE(now.phases.contains("plan") && now.phases.contains("execute"));
  EXPECT_EQ(now.phases.at("plan").count, 1U);
  EXPECT_EQ(now.phases.at("execute").count, 1U);
  EXPECT_GE(now.phases.at("execute").total_ns, 20'000'000U);
  EXPECT_EQ(all_losses(now), 0U);
}

TEST_P(Session, PhasesThatWereOpenWhenTheirProbesWentAreForgotten) {
  open();
  attach_all();
  {
    const outrider::Phase phase("cut");
    session().set_phases_complete(target_, false);
    probes_.detach(number(ProbeGroup::kPhase));
    attach({ProbeGroup::kPhase});
    session().set_phases_complete(target_, true);
  }
  for (int i = 0; i < 2; ++i) const outrider::Phase phase("whole");
  const TargetCounters now = counters();
  EXPECT_FALSE(now.phases.contains("cut"));
  ASSERT_TRUE(now.phases.contains("whole"));
  EXPECT_EQ(now.phases.at("whole").count, 2U);
  EXPECT_EQ(all_losses(now), 0U);
}

TEST_P(Session, ATargetThatIsOffCountsNothingButItsCost) {
  open();
  attach_all();
  ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_OFF));
  run_queries("unseen", 5);
  TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "unseen").queries, 0U);
  EXPECT_EQ(now.runs[OUTRIDER_RUN_END], 5U);
  ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_FULL));
  run_queries("seen", 4);
  now = counters();
  EXPECT_EQ(type_of(now, "seen").queries, 4U);
  EXPECT_EQ(all_losses(now), 0U);
}

// As after a reload that changed two targets: each may get the number that the other had.
TEST_P(Session, AThreadOfATargetThatGetsAnotherNumberCountsThere) {
  open();
  attach_all();
  run_queries("before", 3);
  session().remove_target(target_);
  const std::uint32_t stranger = must(session().add_target());
  ASSERT_EQ(stranger, target_);
  target_ = must(session().add_target());
  must(session().watch_process(getpid(), target_));
  for (const std::uint32_t target : {stranger, target_}) {
    must(session().set_mode(target, OUTRIDER_MODE_FULL));
    session().set_complete(target, true);
  }
  run_queries("before", 1);  // whose slot it remembers
  run_queries("after", 2);
  const TargetCounters ours = counters();
  EXPECT_EQ(type_of(ours, "after").queries, 2U);
  EXPECT_EQ(type_of(ours, "before").queries, 1U);
  EXPECT_EQ(type_of(session().read(stranger), "after").queries, 0U);
  EXPECT_EQ(type_of(session().read(stranger), "before").queries, 0U);  // its slot was given back
}

TEST_P(Session, ATargetThatGetsAnothersNumberHasRoomForAllItsTypes) {
  open({.max_types = 4, .max_types_per_target = 2});  // none left, with the two of `other`
  attach_all();
  run_queries("old", 5);
  run_queries("remembered", 5);  // with its slot, by this thread
  run_queries("beyond", 5);
  session().remove_target(target_);
  ASSERT_EQ(must(session().add_target()), target_);
  must(session().watch_process(getpid(), target_));
  must(session().set_mode(target_, OUTRIDER_MODE_FULL));
  const TargetCounters before = counters();
  EXPECT_EQ(before.types.size(), 1U);
  run_queries("remembered", 1);
  run_queries("new", 1);
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "remembered").queries, 1U);
  EXPECT_EQ(type_of(now, "new").queries, 1U);
  EXPECT_EQ(type_of(now, "other").queries, 5U);
  EXPECT_EQ(all_losses(now), all_losses(before));
}

TEST_P(Session, AHitCountsOnlyForTheFileThatTheProcessHasMapped) {
  constexpr std::uint64_t kOwn = 2;
  constexpr std::uint64_t kOther = 4;
  for (const std::uint64_t file : {kOwn, kOther}) {
    open();
    plan(file);
    attach_all();
    ASSERT_TRUE(session().watch_process(getpid(), target_, kOwn));
    ASSERT_TRUE(session().set_twins(probes_, kOwn | kOther));
    run_queries("twin", 6);
    EXPECT_EQ(type_of(counters(), "twin").queries, file == kOwn ? 6U : 0U);
    probes_ = ProbeSet();
  }
}

TEST_P(Session, AThreadThatEndsInAQueryHasAbandonedIt) {
  open();
  attach_all();
  std::thread([] {
    alignas(outrider::Query) static unsigned char place[sizeof(outrider::Query)];
    ::new (static_cast<void*>(place)) outrider::Query("left");  // its destructor must not run
  }).join();
  // A thread is joined before the kernel has told of its end.
  TargetCounters now = counters();
  for (int i = 0; i < 500 && now.concurrent != 0; ++i) {
    usleep(10'000);
    now = counters();
  }
  EXPECT_EQ(type_of(now, "left").queries, 0U);
  EXPECT_EQ(type_of(now, "left").abandoned, 1U);
  EXPECT_EQ(now.concurrent, 0);
}

TEST_P(Session, AForkIsFollowedUntilItBecomesAnotherProgram) {
  open();
  attach_all();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    run_queries("in the child", 2);
    char byte = 0;
    close(ends[1]);
    static_cast<void>(!read(ends[0], &byte, 1));
    execl("/bin/sleep", "sleep", "30", nullptr);
    _exit(1);
  }
  const auto followed = [&] {
    const std::vector<pid_t> all = session().processes(target_);
    return std::find(all.begin(), all.end(), child) != all.end();
  };
  EXPECT_TRUE(followed());
  close(ends[0]);
  close(ends[1]);  // which wakes the child
  for (int i = 0; i < 500 && followed(); ++i) usleep(10'000);
  EXPECT_FALSE(followed());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "in the child").queries, 2U);
  EXPECT_EQ(all_losses(now), 0U);
}

TEST_P(Session, DetachedProbesAreNotHit) {
  open();
  attach_all();
  run_queries("seen", 1);
  probes_ = ProbeSet();
  run_queries("unseen", 5);
  EXPECT_EQ(outrider_query__end_semaphore, 0);
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "seen").queries, 1U);
  EXPECT_EQ(type_of(now, "unseen").queries, 0U);
}

// None here has one, so that it is the kernel's word, by its number, against what was found by trying.
TEST_P(Session, ReturnsUnderAShadowStackAreRefusedWhereTheKernelForgetsIt) {
  open();
  int major = 0, minor = 0;
  ASSERT_EQ(sscanf(probe_features().kernel_release.c_str(), "%d.%d", &major, &minor), 2);
  const std::string refused = returns_refused(session(), {.shadow_stack = true});
#ifdef __x86_64__
  if (std::pair(major, minor) < std::pair(6, 11)) {
    EXPECT_THAT(refused, testing::HasSubstr("shadow stack"));
    return;
  }
#endif
  EXPECT_EQ(refused, returns_refused(session(), {}));
}

// Of this fixture: as where a verifier refuses the programs.
TEST_P(Session, WhatTheKernelRefusesEndsATestWithTheReason) {
  constexpr unsigned kTooMany = 1U << 29;  // 2.4 TB for each shard
  try {
    open({.max_types = kTooMany});
    FAIL() << "that many slots were had";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("load the BPF programs: "));
  }
}

INSTANTIATE_TEST_SUITE_P(Uprobes, Session, testing::ValuesIn(ways_to_attach()), name_of_way);

}  // namespace
}  // namespace outrider
