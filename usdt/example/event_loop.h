// Several detached queries in flight on one thread, each advanced a step at a time in turn, as an event loop or a
// coroutine scheduler does. Used by one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "outrider/query.hpp"
#include "usdt/example/query_runner.h"

namespace outrider::example {

class EventLoop {
 public:
  explicit EventLoop(QueryRunner& runner, size_t capacity = 8) : runner_(runner), capacity_(capacity) {}

  [[nodiscard]] bool full() const { return tasks_.size() >= capacity_; }
  [[nodiscard]] bool idle() const { return tasks_.empty(); }
  /// Begins a query; it is in flight until `turn` has ended it.
  void begin(const Job& job);
  /// One step of every query in flight. Returns when the last of those that ended did so, or 0 (CLOCK_MONOTONIC).
  uint64_t turn();

 private:
  enum class Step { kLookUp, kCompute, kEnd };
  struct Task {
    outrider::DetachedQuery query;
    Job job;
    Answer answer;
    Step step = Step::kLookUp;
    uint64_t released_ns = 0;
    uint64_t detached_ns = 0;  ///< so far

    void attach();
    void release();
  };
  void advance(Task& task);
  uint64_t end(Task& task);

  QueryRunner& runner_;
  size_t capacity_;
  std::vector<Task> tasks_;
};

}  // namespace outrider::example
