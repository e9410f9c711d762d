// One TOML value into one field. Pure but for the field; thread-safe.
#pragma once

#include <toml++/toml.h>

#include <string>

#include "userspace/config/schema.h"

namespace outrider {

/// Empty if the value fits, else what was expected; the field is then unchanged.
std::string read_value(const toml::node& node, const Slot& slot);

}  // namespace outrider
