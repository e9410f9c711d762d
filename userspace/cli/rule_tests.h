// Tests of rules: made-up series, and the incidents that rules must make of them. Pure but for reading files.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

struct RuleTestResult {
  std::string name;
  std::vector<std::string> expected, seen;  ///< "41 open High Response Time", in order of time
};

/// The tests in a file, which alerts/tests/default.toml explains. Error: the file, its rules, or what is not
/// understood.
Result<std::vector<RuleTestResult>> run_rule_tests(const std::string& path);

}  // namespace outrider
