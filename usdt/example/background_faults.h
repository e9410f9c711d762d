// What goes wrong beside the queries: the lock convoy's holder, the leak, the crash, forks and short threads.
// Runs on threads of its own between construction and destruction; `shared` and `options` outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "usdt/example/options.h"
#include "usdt/example/query_runner.h"

namespace outrider::example {

class BackgroundFaults {
 public:
  /// The load has begun: shared.load_begin_ns is set.
  BackgroundFaults(const Options& options, RunnerShared& shared);
  /// Does the forks that are still due, then stops.
  ~BackgroundFaults();
  BackgroundFaults(const BackgroundFaults&) = delete;
  BackgroundFaults& operator=(const BackgroundFaults&) = delete;

 private:
  void hold_lock();
  void tick_loop();
  void leak(double second);
  void fork_until(uint64_t total);
  void spawn_until(uint64_t total);
  [[nodiscard]] double second() const;

  const Options& options_;
  RunnerShared& shared_;
  std::atomic<bool> stop_{false};
  double leaked_until_ = 0;
  uint64_t forked_ = 0;
  uint64_t spawned_ = 0;
  std::vector<std::unique_ptr<char[]>> leaked_;
  std::thread ticker_;
  std::thread holder_;
};

}  // namespace outrider::example
