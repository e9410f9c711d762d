#include "usdt/example/background_faults.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "usdt/example/clock.h"

namespace outrider::example {

namespace {

constexpr auto kTick = std::chrono::milliseconds(10);
constexpr double kShortestHoldMs = 0.05;

void sleep_seconds(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

}  // namespace

BackgroundFaults::BackgroundFaults(const Options& options, RunnerShared& shared) : options_(options), shared_(shared) {
  const FaultPlan& plan = shared_.plan;
  if (plan.has(FaultKind::kLeak) || plan.has(FaultKind::kCrash) || options_.forks > 0 ||
      options_.spawns_per_second > 0) {
    ticker_ = std::thread([this] { tick_loop(); });
  }
  if (plan.has(FaultKind::kLock)) holder_ = std::thread([this] { hold_lock(); });
}

BackgroundFaults::~BackgroundFaults() {
  stop_ = true;
  if (ticker_.joinable()) ticker_.join();
  if (holder_.joinable()) holder_.join();
}

double BackgroundFaults::second() const {
  return static_cast<double>(monotonic_ns() - shared_.load_begin_ns.load()) / 1e9;
}

void BackgroundFaults::hold_lock() {
  bool holding = false;
  while (!stop_) {
    const FaultSpec* lock = shared_.plan.active(FaultKind::kLock, second());
    if (lock != nullptr) {
      holding ? shared_.convoy.turn() : shared_.convoy.begin();
    } else if (holding) {
      shared_.convoy.end();
    }
    holding = lock != nullptr;
    sleep_seconds(holding ? std::max(lock->value, kShortestHoldMs) / 1e3 : 1e-3);
  }
  if (holding) shared_.convoy.end();
}

void BackgroundFaults::tick_loop() {
  const double length = options_.duration_seconds.value_or(0);
  while (!stop_) {
    const double now = second();
    if (shared_.plan.active(FaultKind::kCrash, now) != nullptr) {
      fmt::print(stderr, "graph-engine: crashing, as asked for\n");
      std::abort();
    }
    leak(now);
    const double share = length > 0 ? std::min(1.0, now / length) : 1.0;
    fork_until(static_cast<uint64_t>(share * options_.forks));
    spawn_until(static_cast<uint64_t>(now * options_.spawns_per_second));
    std::this_thread::sleep_for(kTick);
  }
  fork_until(options_.forks);
}

void BackgroundFaults::leak(double now) {
  const double elapsed = now - leaked_until_;
  leaked_until_ = now;
  const FaultSpec* spec = shared_.plan.active(FaultKind::kLeak, now);
  const auto bytes = spec == nullptr ? 0 : static_cast<size_t>(spec->value * elapsed * 1e6);
  if (bytes == 0) return;
  leaked_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
  std::memset(leaked_.back().get(), 1, bytes);  // memory that is never touched is not resident
}

void BackgroundFaults::fork_until(uint64_t total) {
  for (; forked_ < total; forked_++) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    if (child > 0) ::waitpid(child, nullptr, 0);
  }
}

void BackgroundFaults::spawn_until(uint64_t total) {
  for (; spawned_ < total; spawned_++) std::thread([] {}).join();
}

}  // namespace outrider::example
