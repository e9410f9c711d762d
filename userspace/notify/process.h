// Runs a program of the configuration: no shell, nothing inherited but the environment. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

struct ProcessCall {
  std::vector<std::string> command;  ///< an absolute path and its arguments
  std::string input;                 ///< what it finds on its standard input
  std::chrono::milliseconds timeout{10'000};
  std::function<bool()> give_up;  ///< asked a few times a second; true ends it
};

/// Returns when the program has ended. It gets a process group of its own, which is killed when the time is over, no
/// descriptors but 0 to 2 (its output goes nowhere), no ambient capabilities, and the default of every signal. Errors:
/// it cannot be started, an exit code that is not 0 (with the first line that it wrote to its standard error), a
/// signal, the time is over.
Status run_process(const ProcessCall& call);

}  // namespace outrider
