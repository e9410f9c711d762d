// Runs one query under a guard, with whatever goes wrong in it, and records it. One runner per worker; it is used by
// one thread at a time. What is in RunnerShared is shared by all runners and outlives them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "usdt/example/engine.h"
#include "usdt/example/fault_spec.h"
#include "usdt/example/hang_gate.h"
#include "usdt/example/query_record.h"
#include "usdt/example/wait_planter.h"

namespace outrider::example {

struct RunnerShared {
  Engine& engine;
  const FaultPlan& plan;
  HangGate& hang_gate;
  ConvoyLock& convoy;
  std::atomic<uint64_t> left_by_longjmp{0};
  std::atomic<uint64_t> left_by_thread_exit{0};
  std::atomic<uint64_t> load_begin_ns{0};  ///< CLOCK_MONOTONIC; set before the first query
};

struct Job {
  Request request;
  QueryFaults faults;
  double second = 0;  ///< since the begin of the load
  bool leaves_by_longjmp = false;
  bool leaves_by_thread_exit = false;
};

/// Thrown by a query that fails by an exception.
struct QueryFailed {};

class QueryRunner {
 public:
  QueryRunner(RunnerShared& shared, WorkerRecord& record, std::unique_ptr<WaitPlanter> planter);

  /// A thread-bound query. Returns when it ended (CLOCK_MONOTONIC).
  uint64_t run_blocking(const Job& job);
  /// The same with a query of type `lookup` inside, which does the work; a planted wait is in both.
  uint64_t run_nested(const Job& job);
  /// A query that is left by longjmp: it never ends and is not recorded.
  void leave_by_longjmp(const Job& job);
  /// A query that ends with its thread, without unwinding: it never ends, is not recorded, and nor does this return.
  [[noreturn]] void leave_by_thread_exit(const Job& job);

  // The steps of a query, for those that run it in pieces.
  SearchScratch& scratch() { return scratch_; }
  Engine& engine() { return shared_.engine; }
  /// A new entry of this thread; the caller fills in times and result.
  static RecordEntry make_entry(QueryType type);
  /// Does to the running query what the job says, but for its failure; `work_ns` is what the query took so far.
  void suffer(const Job& job, uint64_t work_ns, RecordEntry& entry);
  void record(const RecordEntry& entry) { record_.add(entry); }

 private:
  void execute(const Job& job, RecordEntry& entry);
  void execute_outer(const Job& job, RecordEntry& entry);
  void execute_lookup(const Job& job, RecordEntry& inner, RecordEntry& outer);
  void answer_and_suffer(const Job& job, uint64_t start_ns, RecordEntry& entry);

  RunnerShared& shared_;
  WorkerRecord& record_;
  std::unique_ptr<WaitPlanter> planter_;
  SearchScratch scratch_;
};

}  // namespace outrider::example
