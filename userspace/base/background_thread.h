// A thread that works for the agent in the background.
#pragma once

#include <functional>
#include <thread>

#include "userspace/base/result.h"

namespace outrider {

/// Whether the thread may do what the agent may (see privileges.h). Only who attaches probes or looks into other
/// processes has to; who talks to others or writes what they read has not.
enum class Privileges { kNone, kOfTheAgent };

/// Starts `run`, with every signal blocked: signals are for the thread that decides when the agent ends, and a closed
/// pipe is an error of whoever writes to it. `name` (at most 15 characters) is what ps and gdb show. Errors: no thread
/// to be had.
Result<std::thread> start_background_thread(const char* name, Privileges privileges, std::function<void()> run);

/// From now on the calling thread leaves the processor to the agent's other threads and to whatever else the host does:
/// its nice value is 5 above what it was. Where that is not allowed it stays as it is. For work that may come late.
void give_way();

}  // namespace outrider
