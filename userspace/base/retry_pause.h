// How long to wait before something that failed is tried again. Pure, thread-safe.
#pragma once

#include <chrono>

namespace outrider {

/// The pause after `failures` (at least 1) in a row: `first` doubled each time, up to a quarter more or less by
/// `chance` (0..1), so that agents that lost one server together do not come back together; within `first` and `most`.
std::chrono::milliseconds retry_pause(unsigned failures, double chance, std::chrono::milliseconds first,
                                      std::chrono::milliseconds most);

}  // namespace outrider
