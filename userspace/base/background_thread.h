// A thread that works for the agent in the background.
#pragma once

#include <functional>
#include <thread>

#include "userspace/base/result.h"

namespace outrider {

/// Starts `run`, with every signal blocked: signals are for the thread that decides when the agent ends, and a closed
/// pipe is an error of whoever writes to it. `name` (at most 15 characters) is what ps and gdb show. Errors: no thread
/// to be had.
Result<std::thread> start_background_thread(const char* name, std::function<void()> run);

}  // namespace outrider
