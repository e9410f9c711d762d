// Rules from TOML: `[[rule]]` tables, which alerts/default.toml explains. All errors come at once, one a line and
// sorted by place, each as "FILE:LINE:COLUMN: KEY: found this, expected that". Pure but for reading files; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/rule.h"

namespace outrider {

/// The rules in `text`, without those that are not enabled; `file` is what messages call it. Error: code EINVAL, the
/// lines of all errors joined by newlines.
Result<std::vector<Rule>> parse_rules(std::string_view text, const std::string& file);

/// The rules of all files, one behind the other; names and ids are unique among them. Error: as above, of all files, or
/// the errno of the first that cannot be read.
Result<std::vector<Rule>> load_rules(const std::vector<std::string>& paths);

/// alerts/default.toml, which is part of the program.
std::string_view default_rules_text();

/// Its rules: "High Response Time" above 100 ms for 30 s, "High Error Rate" above 5 % for 60 s (critical), "High CPU
/// Usage" above 80 % for 120 s.
const std::vector<Rule>& default_rules();

}  // namespace outrider
