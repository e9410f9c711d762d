// A lock that is always taken: while a convoy is on, its holder keeps one of two mutexes and takes the other before it
// lets the first one go, so that every query that comes meets a held mutex. With a single mutex the queries, who come
// in thousands, would keep the holder out. Thread-safe.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

namespace outrider::example {

class ConvoyLock {
 public:
  /// Waits behind the holder, if there is one.
  void pass() { const std::lock_guard guard(mutexes_[current_.load(std::memory_order_acquire)]); }

  // For the one holder: begin, then any number of turns, then end, all on its thread.
  void begin() { mutexes_[current_.load()].lock(); }
  void turn() {
    const unsigned held = current_.load();
    // Only stragglers are there, for nanoseconds. Never blocks on one mutex with the other in hand.
    while (!mutexes_[held ^ 1].try_lock()) std::this_thread::yield();
    current_.store(held ^ 1, std::memory_order_release);
    mutexes_[held].unlock();
  }
  void end() { mutexes_[current_.load()].unlock(); }

 private:
  std::mutex mutexes_[2];
  std::atomic<unsigned> current_{0};
};

}  // namespace outrider::example
