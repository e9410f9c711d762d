// A TOML file's text. Thread-safe.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace outrider {

/// Error: unreadable (its errno), not a regular file, larger than 1 MiB.
Result<std::string> read_text_file(const std::string& path);

}  // namespace outrider
