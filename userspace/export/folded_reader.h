// Folded stacks read back, to be compared with. Pure but for the file; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/model/flame.h"

namespace outrider {

/// What flame_folded() wrote of a graph that is compared with nothing: "outermost;...;innermost VALUE" a line. `name`
/// is the file's, for errors: the line, and what was expected there; nothing in it; a difference instead of a
/// recording.
Result<FlameTree> parse_folded(std::string_view text, const std::string& name);

/// As parse_folded(). Errors: it cannot be read, or is larger than 256 MiB.
Result<FlameTree> read_folded(const std::string& path);

}  // namespace outrider
