// Waiting in tests for what another thread does.
#pragma once

#include <chrono>
#include <thread>

namespace outrider {

/// Whether `condition()` became true within a time that is long for whatever it is.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace outrider
