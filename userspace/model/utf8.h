// Names come from a foreign process and may hold any bytes; JSON and Prometheus want UTF-8. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace outrider {

/// `text` with each byte that is not part of a well-formed UTF-8 sequence replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

/// `text` as UTF-8 in which whatever moves the cursor, ends a line, or hides or disguises what stands beside it is
/// escaped: \x1b, \x0a, \u202e. For terminals, whose state no name from outside may change.
std::string without_controls(std::string_view text);

/// without_controls() of each line. All but the first begin with `line_start` and two blanks, so that none of them
/// looks like an entry of the log.
std::string log_text(std::string_view text, std::string_view line_start = "");

}  // namespace outrider
