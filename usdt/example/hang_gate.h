// Where queries stand while a hang fault is active. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

namespace outrider::example {

class HangGate {
 public:
  /// Blocks until `deadline` or, without one, until `open`.
  void wait(std::optional<std::chrono::steady_clock::time_point> deadline) {
    std::unique_lock lock(mutex_);
    if (deadline) {
      opened_.wait_until(lock, *deadline, [&] { return open_; });
    } else {
      opened_.wait(lock, [&] { return open_; });
    }
  }

  /// Lets everybody pass, now and from now on: the load is over.
  void open() {
    {
      const std::lock_guard guard(mutex_);
      open_ = true;
    }
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

}  // namespace outrider::example
