// The second half of thread-hopping queries: a thread that takes a running query from another one and ends it. The pair
// has one query in flight at a time, so its hand-over is short and nothing queues between them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "outrider/query.hpp"
#include "usdt/example/query_runner.h"

namespace outrider::example {

class HopPartner {
 public:
  /// Both runners outlive the partner: `first` is used by the calling thread, `second` by the partner's own.
  HopPartner(QueryRunner& first, QueryRunner& second);
  ~HopPartner();
  HopPartner(const HopPartner&) = delete;
  HopPartner& operator=(const HopPartner&) = delete;

  /// Begins the query here, has the partner go on with it and end it; returns when it ended (CLOCK_MONOTONIC).
  uint64_t run(const Job& job);

 private:
  struct Handover {
    outrider::DetachedQuery query;
    const Job* job;
    Answer answer;
    bool answered;
    uint64_t released_ns;
  };
  void loop();
  uint64_t complete(Handover handover);

  QueryRunner& first_;
  QueryRunner& second_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Handover> handover_;
  std::optional<uint64_t> ended_ns_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace outrider::example
