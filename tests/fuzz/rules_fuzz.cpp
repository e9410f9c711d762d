// Any text as alert rules.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/alerts/rule_plan.h"
#include "userspace/config/rules.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const outrider::Folder kFolder;
  const std::string_view text = outrider::text_of(data, size);
  const std::string path = kFolder.write("rules.toml", text);
  outrider::demand(!outrider::default_rules().empty(), "the agent's own rules are good");
  outrider::made(outrider::load_rules({path, path}));
  const auto rules = outrider::parse_rules(text, "f.toml");
  if (!rules) {
    outrider::demand(rules.error().message.starts_with("f.toml:"), "a fault has its place");
    return 0;
  }
  for (const outrider::Rule& rule : *rules) {
    outrider::demand(!rule.id.empty() && !rule.name.empty() && !rule.condition.field.empty(), "a rule is whole");
    outrider::made(outrider::matches_any(rule.targets, "graph"));
  }
  outrider::made(outrider::make_rule_plan(*rules));
  return 0;
}
