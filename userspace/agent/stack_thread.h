// A thread that finds the stacks of queries in flight for those who may not look into other processes themselves.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "userspace/agent/thread_stacks.h"
#include "userspace/base/result.h"

namespace outrider {

/// Thread-safe.
class StackThread {
 public:
  StackThread() = default;
  StackThread(const StackThread&) = delete;
  StackThread& operator=(const StackThread&) = delete;
  /// Whoever still waits gets its answer.
  ~StackThread();

  /// Starts the thread, with the privileges of the one that calls, unless it runs. Errors: no thread to be had.
  Status start();

  /// As ThreadStacks::of(); waits for it, and for those that were asked for before.
  ThreadStack of(const InFlightQuery& query);

 private:
  void run();

  ThreadStacks stacks_;  ///< of the thread alone
  std::mutex mutex_;     ///< guards what follows
  std::condition_variable changed_;
  std::deque<std::packaged_task<ThreadStack()>> asked_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace outrider
