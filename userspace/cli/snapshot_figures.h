// Figures of a snapshot set by name, for recorded and made-up series. Pure, thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/model/snapshot.h"

namespace outrider {

/// False for a name that there is not, or that cannot be set by itself.
bool set_figure(Snapshot& snapshot, std::string_view name, std::optional<double> value);

/// The names that set_figure() takes.
std::vector<std::string_view> settable_figures();

}  // namespace outrider
