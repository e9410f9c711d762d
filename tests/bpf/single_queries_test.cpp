// Queries one by one, as the BPF programs list them, against what this program knows of its own: the slowest of an
// interval, and those in flight.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "outrider/query.hpp"
#include "tests/bpf/session_fixture.h"

namespace outrider {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class SingleQueries : public Session {
 protected:
  std::vector<SlowQuery> slowest(const std::string& type) {
    std::vector<SlowQuery> slow = counters().slow;
    std::erase_if(slow, [&](const SlowQuery& query) { return query.type != type; });
    keep_slowest(slow, OUTRIDER_SLOW_QUERIES);
    return slow;
  }
  std::vector<InFlightQuery> in_flight(std::chrono::milliseconds for_at_least = {}, std::size_t most = 16) {
    const auto list = session().in_flight(target_, for_at_least, most);
    EXPECT_TRUE(list) << list.error().message;
    return list ? *list : std::vector<InFlightQuery>();
  }
};

pid_t this_thread() { return static_cast<pid_t>(syscall(SYS_gettid)); }

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

/// How long a query was open at least and at most, by this program's own clock.
struct Bounds {
  std::uint64_t least = 0, most = 0;
  int asked = 0;  // milliseconds of sleep
};

/// A busy machine may hold up one that was to be short: longest first, as they came out.
void sort_by_duration(std::vector<Bounds>& all) {
  std::sort(all.begin(), all.end(), [](const Bounds& a, const Bounds& b) { return a.least > b.least; });
}

Bounds sleep_in_query(const char* type, int milliseconds, bool fails) {
  const std::uint64_t before = now_ns();
  Bounds bounds{.asked = milliseconds};
  {
    outrider::Query query(type);
    const std::uint64_t begin = now_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    if (fails) query.fail();
    bounds.least = now_ns() - begin;
  }
  bounds.most = now_ns() - before;
  return bounds;
}

void run_queries(const char* type, int count) {
  for (int i = 0; i < count; ++i) const outrider::Query query(type);
}

TEST_P(SingleQueries, TheSlowestOfAnIntervalAreThoseThatTookLongest) {
  open();
  attach_all();
  const std::int64_t begin_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  std::vector<Bounds> slept;
  slept.reserve(7);
  run_queries("mixed", 100);
  for (const int ms : {30, 1, 50, 20, 60, 10, 40}) slept.push_back(sleep_in_query("mixed", ms, ms == 50));
  run_queries("mixed", 100);
  sort_by_duration(slept);
  const std::vector<SlowQuery> slow = slowest("mixed");
  ASSERT_THAT(slow, SizeIs(4));
  for (std::size_t i = 0; i < slow.size(); ++i) {
    const Bounds& bounds = slept[i];
    EXPECT_GE(slow[i].duration_ns, bounds.least) << i;
    EXPECT_LE(slow[i].duration_ns, bounds.most) << i;
    EXPECT_EQ(slow[i].failed, bounds.asked == 50);
    EXPECT_EQ(slow[i].process, getpid());
    EXPECT_EQ(slow[i].thread, this_thread());
    EXPECT_GE(slow[i].start_ms, begin_ms - 1);
    EXPECT_THAT(slow[i].text, IsEmpty());
    ASSERT_TRUE(slow[i].waits.has_value());
    const WaitNanoseconds& waits = *slow[i].waits;
    EXPECT_GE(waits[OUTRIDER_WAIT_SLEEP], static_cast<std::uint64_t>(bounds.asked) * 900'000);
    const std::uint64_t sum = std::accumulate(waits.begin(), waits.end(), std::uint64_t{0});
    EXPECT_EQ(sum, slow[i].duration_ns);
  }
}

TEST_P(SingleQueries, EachIntervalHasItsOwn) {
  open();
  attach_all();
  sleep_in_query("first", 20, false);
  EXPECT_THAT(slowest("first"), SizeIs(1));
  run_queries("first", 2);
  const std::vector<SlowQuery> second = slowest("first");
  ASSERT_THAT(second, SizeIs(2));
  EXPECT_LT(second[0].duration_ns, 20'000'000U);
  EXPECT_THAT(slowest("first"), IsEmpty());
}

TEST_P(SingleQueries, ManyThreadsLoseNoneOfTheSlowestWithoutSayingSo) {
  open();
  attach_all();
  constexpr int kThreads = 8;
  std::vector<Bounds> slept(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([i, &slept] {
      run_queries("busy", 10'000);
      slept[static_cast<std::size_t>(i)] = sleep_in_query("busy", 100 + 50 * i, false);
      run_queries("busy", 10'000);
    });
  }
  for (std::thread& thread : threads) thread.join();
  TargetCounters now = counters();
  keep_slowest(now.slow, OUTRIDER_SLOW_QUERIES);
  ASSERT_THAT(now.slow, SizeIs(4));
  // An emulated processor that holds the lock is away for long.
  const unsigned limit = std::getenv("OUTRIDER_TEST_SLOWNESS") == nullptr ? 100 : 16'000;
  EXPECT_LT(now.losses[OUTRIDER_LOSS_SLOW_BUSY], limit) << "of 160,008";
  if (now.losses[OUTRIDER_LOSS_SLOW_BUSY] > 0) return;  // it is said
  // One that a busy machine held up may be longer than any that slept.
  EXPECT_EQ(now.slow[0].duration_ns, type_of(now, "busy").interval_max_ns);
  sort_by_duration(slept);
  for (std::size_t i = 0; i < now.slow.size(); ++i) EXPECT_GE(now.slow[i].duration_ns, slept[i].least) << i;
}

void nest_slowly() {
  const outrider::Query outer("outer");
  for (int i = 0; i < 6; ++i) sleep_in_query("outer", 5, false);
}

TEST_P(SingleQueries, NestedOnesAreNotListedBesideTheirOutermost) {
  open();
  attach_all();
  nest_slowly();
  EXPECT_THAT(slowest("outer"), SizeIs(1));
}

TEST_P(SingleQueries, ATargetThatGetsAnothersNumberGetsNoneOfItsQueries) {
  open();
  attach_all();
  sleep_in_query("before", 10, false);
  ASSERT_TRUE(session().next_interval());
  sleep_in_query("before", 10, false);
  session().remove_target(target_);
  const Result<std::uint32_t> again = session().add_target();
  ASSERT_TRUE(again);
  ASSERT_EQ(*again, target_);
  EXPECT_THAT(slowest("before"), IsEmpty());
}

TEST_P(SingleQueries, InLightModeTheirWaitsAreNotKnown) {
  open();
  ASSERT_TRUE(session().set_mode(target_, OUTRIDER_MODE_LIGHT));
  attach({ProbeGroup::kQuery});
  const Bounds bounds = sleep_in_query("light", 15, false);
  const std::vector<SlowQuery> slow = slowest("light");
  ASSERT_THAT(slow, SizeIs(1));
  EXPECT_FALSE(slow[0].waits.has_value());
  EXPECT_GE(slow[0].duration_ns, bounds.least);
  EXPECT_LE(slow[0].duration_ns, bounds.most);
}

/// A thread that holds a query open, in a wait for a semaphore.
class Held {
 public:
  explicit Held(const char* type) {
    sem_init(&semaphore_, 0, 0);
    thread_ = std::thread([this, type] {
      const outrider::Query query(type);
      id_ = this_thread();
      while (sem_wait(&semaphore_) != 0) {
      }
    });
    while (id_ == 0) std::this_thread::yield();
  }
  ~Held() {
    sem_post(&semaphore_);
    thread_.join();
    sem_destroy(&semaphore_);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  [[nodiscard]] pid_t id() const { return id_; }

 private:
  sem_t semaphore_{};
  std::atomic<pid_t> id_ = 0;
  std::thread thread_;
};

TEST_P(SingleQueries, OneThatHangsIsListedWithWhatItWaitsFor) {
  open();
  attach_all();
  const Held held("hangs");
  std::vector<InFlightQuery> list;
  for (int i = 0; i < 500; ++i) {
    list = in_flight();
    ASSERT_THAT(list, SizeIs(1));
    if (list[0].state == OUTRIDER_BLOCKED) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(list[0].type, "hangs");
  EXPECT_EQ(list[0].process, getpid());
  EXPECT_EQ(list[0].thread, held.id());
  EXPECT_EQ(list[0].state, OUTRIDER_BLOCKED);
  EXPECT_EQ(list[0].waits_for, OUTRIDER_WAIT_SYNC);
  const InFlightQuery earlier = list[0];
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  list = in_flight(std::chrono::milliseconds(50));
  ASSERT_THAT(list, SizeIs(1));
  EXPECT_GE(list[0].age_ns, earlier.age_ns + 50'000'000);
  EXPECT_GE(list[0].waits[OUTRIDER_WAIT_SYNC], earlier.waits[OUTRIDER_WAIT_SYNC] + 50'000'000);
  EXPECT_EQ(list[0].registers.switches, earlier.registers.switches) << "it has not run";
  EXPECT_THAT(in_flight(std::chrono::hours(1)), IsEmpty());
}

TEST_P(SingleQueries, OfManyTheOldestAreListed) {
  open();
  attach_all();
  std::vector<std::unique_ptr<Held>> all;
  std::vector<pid_t> ids;
  for (int i = 0; i < 12; ++i) {
    all.push_back(std::make_unique<Held>("hangs"));
    ids.push_back(all.back()->id());
  }
  const std::vector<InFlightQuery> list = in_flight({}, 5);
  ASSERT_THAT(list, SizeIs(5));
  for (std::size_t i = 0; i < list.size(); ++i) EXPECT_EQ(list[i].thread, ids[i]);
}

TEST_P(SingleQueries, OneThatMayChangeThreadsIsListedWithoutAThread) {
  open();
  attach_all();
  outrider::DetachedQuery query("hops");
  const std::vector<InFlightQuery> list = in_flight();
  ASSERT_THAT(list, SizeIs(1));
  EXPECT_EQ(list[0].type, "hops");
  EXPECT_EQ(list[0].process, getpid());
  EXPECT_EQ(list[0].thread, 0);
  EXPECT_FALSE(list[0].state.has_value());
  query.end();
  EXPECT_THAT(in_flight(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Uprobes, SingleQueries, testing::ValuesIn(ways_to_attach()), name_of_way);

}  // namespace
}  // namespace outrider
