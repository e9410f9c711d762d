// One thread that ends other threads' waits at a given time: it writes the byte, sends the datagram or notifies the
// condition variable that a query waits for. Thread-safe. Destroy it after the threads that wait for it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

namespace outrider::example {

class Releaser {
 public:
  Releaser();
  ~Releaser();
  Releaser(const Releaser&) = delete;
  Releaser& operator=(const Releaser&) = delete;

  /// Runs `action` on the releaser's thread at `when_ns` (CLOCK_MONOTONIC) or at once if that has passed.
  void run_at(uint64_t when_ns, std::function<void()> action);

 private:
  struct Item {
    uint64_t when_ns;
    std::function<void()> action;
    bool operator<(const Item& other) const { return when_ns > other.when_ns; }  // the earliest one on top
  };
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::priority_queue<Item> items_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace outrider::example
