// Any text as tests of rules, with one rule to test.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/cli/rule_tests.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const outrider::Folder kFolder;
  static const std::string kRules = kFolder.write("r.toml", R"([[rule]]
id = "slow"
name = "slow"
condition = "response_time_high"
threshold = "100ms"
for = "2s"
severity = "warning"
)");
  const std::string path = kFolder.write("tests.toml", outrider::text_of(data, size));
  const auto results = outrider::run_rule_tests(path);
  if (!results) {
    outrider::demand(!results.error().message.empty(), "a fault is told");
    return 0;
  }
  for (const outrider::RuleTestResult& one : *results) {
    for (const std::string& incident : one.seen) {
      outrider::demand(incident.ends_with(" open slow") || incident.ends_with(" close slow"),
                       "an incident is of the rule");
    }
  }
  return 0;
}
