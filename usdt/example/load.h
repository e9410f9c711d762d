// The load: worker threads that take arrivals from one schedule and run them as queries, until the time, the number of
// queries or the caller's patience is over. `start`, `supervise`, `stop` and the destructor belong to one thread.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "usdt/example/arrival_schedule.h"
#include "usdt/example/hop_partner.h"
#include "usdt/example/options.h"
#include "usdt/example/query_runner.h"

namespace outrider::example {

class Load {
 public:
  /// `options`, `shared` and `record` outlive the load. `record` has `workers(options)` buffers.
  static Result<std::unique_ptr<Load>> make(const Options& options, RunnerShared& shared, QueryRecord& record,
                                            const WaitSources& sources);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// How many runners (and so record buffers and wait planters) the options need.
  static size_t runners(const Options& options);

  /// Begins now; sets shared.load_begin_ns.
  Status start();
  /// Replaces the workers that left by a thread exit; true while the load goes on. To be called every few milliseconds.
  bool supervise();
  /// Lets queries in flight end, then joins all workers.
  void stop();

 private:
  enum class WorkerState { kIdle, kRunning, kDone, kExited };
  struct Worker {
    Load* load = nullptr;
    QueryRunner* runner = nullptr;
    std::unique_ptr<HopPartner> partner;
    std::atomic<WorkerState> state{WorkerState::kIdle};
    pthread_t thread{};
    uint64_t last_end_ns = 0;
  };
  struct Task {
    uint64_t due_ns;
    Job job;
  };

  Load(const Options& options, RunnerShared& shared);
  Status start_thread(Worker& worker);
  static void* thread_main(void* worker);
  void work(Worker& worker);
  void work_in_event_loop(Worker& worker);
  void run(Worker& worker, const Job& job);
  /// The next query, or false when there is none any more. Dropped traffic is skipped here.
  bool next_task(Worker& worker, Task& task);
  bool sleep_until(uint64_t when_ns);
  [[nodiscard]] bool over(uint64_t now_ns) const { return stop_.load(std::memory_order_relaxed) || now_ns >= end_ns_; }
  Job make_job(uint64_t number, double second);

  const Options& options_;
  RunnerShared& shared_;
  ArrivalSchedule schedule_;
  std::vector<std::unique_ptr<QueryRunner>> runners_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<bool> stop_{false};
  uint64_t begin_ns_ = 0;
  uint64_t end_ns_ = ~0ULL;
};

}  // namespace outrider::example
