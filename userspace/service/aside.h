// Work that the thread which samples must not wait for.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <system_error>
#include <utility>

namespace outrider {

/// Does `work` on a thread of its own. Whoever drops the last copy of what it returns waits for the end. Where no
/// thread is to be had, it is done at once: a late reading is better than work that is not done.
inline std::shared_future<void> do_aside(std::function<void()> work) {
  try {
    return std::async(std::launch::async, work).share();
  } catch (const std::system_error&) {
    auto done = std::async(std::launch::deferred, std::move(work)).share();
    done.wait();
    return done;
  }
}

inline bool has_ended(const std::shared_future<void>& work) {
  return work.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace outrider
