#include "usdt/example/releaser.h"

#include <sys/prctl.h>

#include <chrono>

#include "usdt/example/clock.h"

namespace outrider::example {

Releaser::Releaser() : thread_([this] { loop(); }) {}

Releaser::~Releaser() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Releaser::run_at(uint64_t when_ns, std::function<void()> action) {
  bool earliest = false;
  {
    const std::lock_guard guard(mutex_);
    earliest = items_.empty() || when_ns < items_.top().when_ns;
    items_.push({when_ns, std::move(action)});
  }
  if (earliest) changed_.notify_one();
}

void Releaser::loop() {
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);  // 50 us of slack would be felt in a planted millisecond
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (items_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const uint64_t when = items_.top().when_ns;
    if (const uint64_t now = monotonic_ns(); when > now) {
      changed_.wait_for(lock, std::chrono::nanoseconds(when - now));
      continue;
    }
    const auto action = items_.top().action;
    items_.pop();
    lock.unlock();
    action();
    lock.lock();
  }
}

}  // namespace outrider::example
