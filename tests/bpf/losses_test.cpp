// What cannot be counted is counted as lost, each time and no more often: the corners that session_test.cpp does not
// have, each provoked on this very program.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <iterator>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "outrider/query.hpp"
#include "tests/bpf/session_fixture.h"
#include "userspace/base/fd.h"
#include "userspace/kernel/stack_sampler.h"

namespace outrider {
namespace {

/// Whose table is full has nothing to do with the way to attach: by one of them.
class Room : public Session {};

constexpr int kProcesses = 16384;         // of the table of processes
constexpr pid_t kNobody = 1'000'000'000;  // and those after it: above what a kernel gives out

void expect_lost(const TargetCounters& now, outrider_loss reason, std::uint64_t count) {
  EXPECT_EQ(now.losses[reason], count);
  EXPECT_EQ(std::accumulate(now.losses.begin(), now.losses.end(), std::uint64_t{0}), count) << "other losses";
}

TEST_P(Session, ATypeThatCannotBeReadIsUnknownAndALoss) {
  open();
  attach_all();
  for (const char* unreadable : {static_cast<const char*>(nullptr), ""}) const outrider::Query query(unreadable);
  { const outrider::Query query("readable"); }
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "UNKNOWN").queries, 2U);
  EXPECT_EQ(type_of(now, "readable").queries, 1U);
  expect_lost(now, OUTRIDER_LOSS_ARGUMENT, 2);
}

TEST_P(Room, PhasesBeyondTheRoomAreCountedAsLost) {
  constexpr int kBeyond = 3;
  open();
  attach_all();
  for (int i = 0; i < OUTRIDER_MAX_PHASES + kBeyond; ++i) {
    const std::string name = "phase" + std::to_string(i);
    const outrider::Phase phase(name.c_str());
  }
  const TargetCounters now = counters();
  EXPECT_EQ(now.phases.size(), static_cast<std::size_t>(OUTRIDER_MAX_PHASES));
  expect_lost(now, OUTRIDER_LOSS_PHASES_FULL, kBeyond);
}

/// A query of another thread waits for a lock that this one holds.
void keep_waiting() {
  std::mutex mutex;
  mutex.lock();
  std::thread waiter([&mutex] {
    const outrider::Query query("waiter");
    const std::scoped_lock lock(mutex);
  });
  usleep(50'000);
  mutex.unlock();
  waiter.join();
}

TEST_P(Room, PairsBeyondTheTableAreCountedAsLost) {
  open();
  ASSERT_TRUE(session().hook_scheduler(true));
  attach_all();
  const int table = session().maps().at("blocks");
  for (std::uint32_t i = 0; i < OUTRIDER_MAX_BLOCKS; ++i) {
    const outrider_block_key nobody{.waiter = OUTRIDER_NO_SLOT, .waker = i, .wait_class = 0};
    const outrider_block none{};
    ASSERT_EQ(bpf_map_update_elem(table, &nobody, &none, BPF_ANY), 0);
  }
  keep_waiting();
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "waiter").queries, 1U);
  EXPECT_GE(type_of(now, "waiter").wait_ns[OUTRIDER_WAIT_LOCK], 40'000'000U);
  expect_lost(now, OUTRIDER_LOSS_BLOCKS_FULL, 1);
}

/// The types that have kept `waiter` from a lock for long, once more by this thread within the query that is open.
std::vector<std::string> culprits(const std::function<TargetCounters()>& counters) {
  keep_waiting();
  const TargetCounters now = counters();
  std::vector<std::string> wakers;
  wakers.reserve(now.blocks.size());
  for (const BlockCounters& pair : now.blocks) {
    if (pair.ns >= 40'000'000) wakers.push_back(pair.blocked_by);  // not for the moment that a thread takes to begin
  }
  std::sort(wakers.begin(), wakers.end());
  return wakers;
}

TEST_P(Room, WhatWasOpenWhenTheProbesChangedIsNobodysCulprit) {
  tag_ = 1;
  open();
  ASSERT_TRUE(session().hook_scheduler(true));
  attach_all();
  const outrider::Query query("holder");
  const auto read = [this] { return counters(); };
  EXPECT_EQ(culprits(read), std::vector<std::string>{"holder"});
  session().discard_in_flight(target_);
  EXPECT_EQ(culprits(read), (std::vector<std::string>{"", "holder"}));
}

TEST_P(Room, AForkThatFindsNoRoomAmongTheProcessesIsALoss) {
  open();
  attach_all();
  for (int i = 1; i < kProcesses; ++i)
    ASSERT_TRUE(session().watch_process(kNobody + i, target_));  // this one has a place
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    { const outrider::Query query("unseen"); }
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  { const outrider::Query query("seen"); }
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "seen").queries, 1U);
  EXPECT_EQ(type_of(now, "unseen").queries, 0U);
  expect_lost(now, OUTRIDER_LOSS_TARGETS_FULL, 1);
}

// Foreign probes, whose ends match their starts by a tag of the profile, and do not say how long the query took.
TEST_P(Session, WhatIsInFlightWhenTheProbesChangeIsDiscardedWhereEndsCarryNoDuration) {
  tag_ = 1;
  open();
  attach_all();
  {
    const outrider::Query query("cut");
    ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_FULL));
    { const outrider::Query inner("whole"); }
  }
  const TargetCounters now = counters();
  EXPECT_EQ(type_of(now, "whole", true).queries, 1U);  // the guard knows that it is inside another one
  EXPECT_EQ(type_of(now, "cut").queries, 0U);
  expect_lost(now, OUTRIDER_LOSS_DISCARDED, 1);
}

std::uint64_t samples_in(const std::vector<SampledStack>& stacks) {
  std::uint64_t sum = 0;
  for (const SampledStack& stack : stacks) sum += stack.count;
  return sum;
}

// A stack is told from another one by the types of its queries too.
TEST_P(Room, StacksBeyondTheRoomAreLeftOutAndEachSampleOfThemIsALoss) {
  constexpr int kTypes = 96;
  static_assert(kTypes * kTypes > OUTRIDER_MAX_STACKS);
  open();
  attach_all();
  Result<StackSampler> sampler =
      StackSampler::make(session(), target_, {.off_cpu = true, .shortest_wait = {}, .kernel_frames = false});
  ASSERT_TRUE(sampler) << sampler.error().message;
  ASSERT_TRUE(sampler->start());
  std::vector<std::string> names;
  names.reserve(kTypes);
  for (int i = 0; i < kTypes; ++i) names.push_back("type" + std::to_string(i));
  for (const std::string& outer : names) {
    const outrider::Query around(outer.c_str());
    for (const std::string& inner : names) {
      const outrider::Query query(inner.c_str());
      const timespec moment{.tv_sec = 0, .tv_nsec = 1'000};
      nanosleep(&moment, nullptr);
    }
  }
  const std::uint64_t taken = samples_in(sampler->take());
  const outrider_stack_counts counts = sampler->counts();
  EXPECT_GT(counts.losses[OUTRIDER_STACK_LOSS_FULL], 0U);  // now and then a nap is over before it begins
  EXPECT_EQ(taken + counts.losses[OUTRIDER_STACK_LOSS_FULL] + counts.losses[OUTRIDER_STACK_LOSS_BUSY], counts.waits);
}

void* wait_in_a_query(void* pipe) {
  const outrider::Query query("waits");
  char byte = 0;
  static_cast<void>(!read(*static_cast<int*>(pipe), &byte, 1));
  return nullptr;
}

TEST_P(Room, WaitsOfMoreThreadsThanThereIsRoomForAreCountedAsLost) {
  constexpr std::size_t kBeyond = 4;
  open();
  attach_all();
  Result<StackSampler> sampler =
      StackSampler::make(session(), target_, {.off_cpu = true, .shortest_wait = {}, .kernel_frames = false});
  ASSERT_TRUE(sampler) << sampler.error().message;
  ASSERT_TRUE(sampler->start());
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const Fd reading(pipe[0]);
  Fd writing(pipe[1]);
  pthread_attr_t small{};
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, std::size_t{64} << 10);
  std::vector<pthread_t> threads(OUTRIDER_MAX_BLOCKED + kBeyond);
  for (pthread_t& thread : threads) ASSERT_EQ(pthread_create(&thread, &small, wait_in_a_query, &pipe[0]), 0);
  const auto all_are_in = [&] { return session().read(target_).concurrent >= std::ssize(threads); };
  for (int i = 0; i < 2'000 && !all_are_in(); ++i) usleep(5'000);
  usleep(100'000);  // the last one is in its query, and is to be in its wait
  const std::uint64_t lost = sampler->counts().losses[OUTRIDER_STACK_LOSS_BLOCKED_FULL];
  const std::vector<SampledStack> stacks = sampler->finish();
  writing.reset();
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  EXPECT_GE(lost, kBeyond);
  EXPECT_GE(samples_in(stacks), static_cast<std::uint64_t>(OUTRIDER_MAX_BLOCKED));
}

INSTANTIATE_TEST_SUITE_P(Losses, Session, testing::ValuesIn(ways_to_attach()), name_of_way);
INSTANTIATE_TEST_SUITE_P(Losses, Room, testing::Values(ways_to_attach().front()), name_of_way);

}  // namespace
}  // namespace outrider
