// Tells a thread to stop, also while it waits. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace outrider {

class StopFlag {
 public:
  void set() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
  }

  [[nodiscard]] bool is_set() {
    const std::lock_guard lock(mutex_);
    return stop_;
  }

  /// Waits until the deadline or for set(); true: it is set.
  bool wait_until(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline, [this] { return stop_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
};

}  // namespace outrider
