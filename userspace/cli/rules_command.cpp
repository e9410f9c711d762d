#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "userspace/alerts/prometheus_rules.h"
#include "userspace/alerts/rule_plan.h"
#include "userspace/base/quantity.h"
#include "userspace/base/units.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/rule_tests.h"
#include "userspace/config/rules.h"

namespace outrider {
namespace {

struct RulesArguments {
  std::vector<std::string> files;
  std::string prefix = "llmkg";
};

/// The agent's own where no file is named. An error is printed.
Result<std::vector<Rule>> chosen_rules(const RulesArguments& arguments) {
  if (arguments.files.empty()) return default_rules();
  Result<std::vector<Rule>> rules = load_rules(arguments.files);
  if (!rules) fmt::print(stderr, "{}\n", rules.error().message);
  return rules;
}

int written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return EXIT_SUCCESS;
  fmt::print(stderr, "outrider: standard output cannot be written\n");
  return kExitFailure;
}

void print_rule(const Rule& rule) {
  const std::string_view unit = unit_of(rule.condition.field);
  const std::string breach = rule.absent ? "cannot be had"
                                         : fmt::format("{} {}", rule.condition.above ? "above" : "below",
                                                       format_quantity(rule.threshold, unit));
  fmt::print("{}: {} {} for {}, {}", rule.name, rule.condition.field, breach, format_duration(rule.hold),
             name_of(rule.severity));
  if (rule.clear) fmt::print(", over at {}", format_quantity(*rule.clear, unit));
  if (rule.clear_for.count() > 0) fmt::print(", over after {}", format_duration(rule.clear_for));
  if (rule.least_queries > 0) fmt::print(", from {} queries an interval", rule.least_queries);
  if (!rule.targets.empty()) fmt::print(", targets {}", fmt::join(rule.targets, " "));
  if (!rule.types.empty()) fmt::print(", each type of {}", fmt::join(rule.types, " "));
  fmt::print("; id {}\n", rule.id);
}

int list_rules(const RulesArguments& arguments) {
  const auto rules = chosen_rules(arguments);
  if (!rules) return kExitUsage;
  for (const Rule& rule : *rules) print_rule(rule);
  return written();
}

int check_rules(const RulesArguments& arguments) {
  const auto rules = chosen_rules(arguments);
  if (!rules) return kExitUsage;
  fmt::print("{} rules, nothing wrong\n", rules->size());
  return written();
}

int export_rules(const RulesArguments& arguments) {
  const auto rules = chosen_rules(arguments);
  if (!rules) return kExitUsage;
  const PrometheusRules out = prometheus_rules(*rules, arguments.prefix);
  for (const std::string& line : out.left_out) fmt::print(stderr, "outrider: {}\n", line);
  fmt::print("{}", out.yaml);
  return written();
}

int test_rules(const RulesArguments& arguments) {
  std::size_t passed = 0;
  std::size_t failed = 0;
  for (const std::string& file : arguments.files) {
    const auto results = run_rule_tests(file);
    if (!results) {
      fmt::print(stderr, "{}\n", results.error().message);
      return kExitUsage;
    }
    for (const RuleTestResult& result : *results) {
      const bool good = result.expected == result.seen;
      ++(good ? passed : failed);
      if (good) continue;
      fmt::print("{}: {}\n  expected: {}\n  seen:     {}\n", file, result.name, fmt::join(result.expected, "; "),
                 fmt::join(result.seen, "; "));
    }
  }
  fmt::print("{} passed, {} failed\n", passed, failed);
  const int code = written();
  return failed > 0 ? kExitFailure : code;
}

}  // namespace

Command add_rules_command(CLI::App& app) {
  auto arguments = std::make_shared<RulesArguments>();
  CLI::App* command = app.add_subcommand("rules", "Alert rules: list, check, test, or write them for Prometheus");
  command->require_subcommand(1);
  auto chosen = std::make_shared<int (*)(const RulesArguments&)>(nullptr);
  const auto add = [&](const char* name, const char* help, int (*run)(const RulesArguments&)) {
    CLI::App* sub = command->add_subcommand(name, help);
    sub->callback([chosen, run] { *chosen = run; });
    return sub;
  };
  const char* rules_help = "Files with rules, TOML; without, the agent's own";
  add("list", "What the rules come to, one a line", list_rules)->add_option("--rules", arguments->files, rules_help);
  add("check", "What is wrong with files of rules", check_rules)
      ->add_option("files", arguments->files, "The files, TOML")
      ->required();
  CLI::App* exports = add("export", "The rules as alerting rules of Prometheus, YAML", export_rules);
  exports->add_option("--rules", arguments->files, rules_help);
  exports->add_option("--prefix", arguments->prefix, "Namespace of the metrics: `prefix` of [export]")
      ->capture_default_str();
  add("test", "Made-up series, and the incidents that are expected of them", test_rules)
      ->add_option("files", arguments->files, "The tests, TOML")
      ->required();
  command->footer("Example:  outrider rules export --rules /etc/outrider/rules.toml > outrider.rules.yml");
  return [arguments, chosen] { return (*chosen)(*arguments); };
}

}  // namespace outrider
