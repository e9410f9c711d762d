// Names come from a foreign process and may hold any bytes; JSON and Prometheus want UTF-8. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace outrider {

/// `text` with each byte that is not part of a well-formed UTF-8 sequence replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

}  // namespace outrider
