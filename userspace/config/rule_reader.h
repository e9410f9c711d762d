// One `[[rule]]` table. Not thread-safe.
#pragma once

#include <toml++/toml.h>

#include <string>

#include "userspace/config/reader.h"
#include "userspace/model/rule.h"

namespace outrider {

struct ReadRule {
  Rule rule;
  bool enabled = true;
};

/// Every fault goes to `reader`; what is faulty has its default.
ReadRule read_rule(Reader& reader, const toml::table& table, const std::string& prefix);

}  // namespace outrider
