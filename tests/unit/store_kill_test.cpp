// kill -9 of the process that writes, at random moments, under load: the store opens, what it had said was written is
// there without a hole, and no more than two seconds are missing.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <random>
#include <thread>

#include "tests/unit/store_points.h"

namespace outrider {
namespace {

constexpr std::int64_t kStepMs = 20;
constexpr int kVictims = 20;

/// What a writer lets its killer know.
struct Progress {
  std::atomic<std::int64_t> added{0};    ///< points
  std::atomic<std::int64_t> written{0};  ///< points, as the store counted them
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free, "is shared between processes");

StoreOptions options_for(const std::string& path) {
  StoreOptions options;
  options.path = path;
  options.tiers = {{kStepMs, kHourMs}, {200, kHourMs}, {1'000, kHourMs}};
  return options;
}

Point make_step(std::int64_t index) {
  Point point = make_second(0);
  point.begin_ms = kStartMs + index * kStepMs;
  for (int type = 0; type < 10; ++type) add_query(point.types["type " + std::to_string(type)], kFastNs);
  return point;
}

/// A point each 20 ms of real time until it is killed; after a minute it ends by itself.
[[noreturn]] void write_until_killed(const std::string& path, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  StoreOptions options = options_for(path);
  options.now_ms = [&] { return kStartMs + progress.added.load() * kStepMs; };
  auto store = Store::make(options);
  if (!store) ::_exit(1);
  for (std::int64_t index = 0; index < 3'000; ++index) {
    std::this_thread::sleep_until(begin + std::chrono::milliseconds(index * kStepMs));
    (*store)->add("engine", make_step(index));
    progress.added = index + 1;
    progress.written = static_cast<std::int64_t>((*store)->counters().written_points);
  }
  ::_exit(2);
}

struct Victim {
  std::string path;
  Progress* progress = nullptr;
  pid_t pid = -1;
};

Victim start(const std::string& path) {
  void* memory = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {};
  Victim victim{path, new (memory) Progress, -1};
  victim.pid = ::fork();
  if (victim.pid == 0) write_until_killed(path, *victim.progress);
  return victim;
}

void kill_and_wait(const Victim& victim) {
  ASSERT_EQ(::kill(victim.pid, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(victim.pid, &status, 0), victim.pid);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself with code " << WEXITSTATUS(status);
}

/// Returns how many points are missing.
std::int64_t check(const Victim& victim) {
  StoreOptions options = options_for(victim.path);
  const std::int64_t added = victim.progress->added;
  options.now_ms = [added] { return kStartMs + added * kStepMs; };
  auto store = Store::make(options);
  EXPECT_TRUE(store) << store.error().message;
  if (!store) return added;
  EXPECT_EQ((*store)->counters().error, "");
  EXPECT_EQ((*store)->counters().corrupt_files, 0U);
  const auto points = (*store)->get_recent_snapshots("engine", kHourMs / 2);
  EXPECT_TRUE(points) << points.error().message;
  if (!points) return added;
  const auto stored = static_cast<std::int64_t>(points->size());
  EXPECT_GE(stored, victim.progress->written);
  for (std::int64_t i = 0; i < stored; ++i) {
    const Point& point = points->at(static_cast<std::size_t>(i));
    EXPECT_EQ(point.begin_ms, kStartMs + i * kStepMs);
    expect_equal(point, make_step(i));
  }
  return added - stored;
}

class StoreKill : public StoreTest {};

TEST_F(StoreKill, at_a_random_moment) {
  std::mt19937 random(std::random_device{}());
  std::uniform_int_distribution<int> moment_ms(0, 3'000);
  std::vector<std::pair<int, Victim>> victims;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kVictims; ++i) {
    victims.emplace_back(moment_ms(random), start(dir_ + "/" + std::to_string(i) + ".db"));
    ASSERT_GT(victims.back().second.pid, 0);
  }
  std::sort(victims.begin(), victims.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::int64_t worst = 0, kept = 0;
  for (const auto& [moment, victim] : victims) {
    std::this_thread::sleep_until(begin + std::chrono::milliseconds(moment));
    kill_and_wait(victim);
    const std::int64_t missing = check(victim);
    EXPECT_LE(missing * kStepMs, 2'000) << "killed after " << moment << " ms";
    worst = std::max(worst, missing);
    kept += victim.progress->added - missing;
    ::munmap(victim.progress, sizeof(Progress));
  }
  EXPECT_GT(kept, 0);
  std::cout << "killed " << kVictims << " writers: " << kept << " points kept, at most " << worst * kStepMs
            << " ms missing\n";
}

}  // namespace
}  // namespace outrider
