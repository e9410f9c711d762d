// How log lines look on stderr.
#pragma once

#include <string>

namespace outrider {

/// Makes the process's logger, or changes it: that is safe while other threads log. `level`: debug, info, warning,
/// error or off. `format`: text (coloured on a terminal), json (one object a line), journald (text with a priority
/// prefix).
void set_up_logging(const std::string& level, const std::string& format = "text");

}  // namespace outrider
