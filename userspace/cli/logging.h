// How log lines look on stderr.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace outrider {

/// Makes the process's logger, or changes it: that is safe while other threads log. `level`: debug, info, warning,
/// error or off. `format`: text (with the local time and its offset, coloured on a terminal), json (one object a line),
/// journald (no time, which the journal has, but a priority in front), auto (journald if stderr is the journal's, else
/// text).
void set_up_logging(const std::string& level, const std::string& format = "auto");

/// Logs the error. Returns `code`, for a command that ends with it.
int fail(const Error& error, int code);

}  // namespace outrider
