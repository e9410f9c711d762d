#include "userspace/config/rules.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <cerrno>
#include <map>
#include <stdexcept>

#include "userspace/config/lists.h"
#include "userspace/config/rule_reader.h"
#include "userspace/config/text_file.h"

namespace outrider {
namespace {

constexpr std::string_view kRuleKey = "rule";
constexpr std::size_t kMostRules = 10'000;

/// Which rules there are already, over all files: "name High CPU Usage" at "rules.toml:12".
using Taken = std::map<std::string, std::string>;

void check_unique(Reader& reader, Taken& taken, const Rule& rule, const std::string& prefix, const std::string& file,
                  std::size_t line) {
  const auto check = [&](const char* key, const std::string& value) {
    if (value.empty()) return;  // a fault already
    const std::string place = fmt::format("{}:{}", file, line);
    const auto [first, is_new] = taken.emplace(fmt::format("{} {}", key, value), place);
    if (is_new) return;
    reader.cross_fault(
        {join_key(prefix, key), join_key(prefix, "name")},
        fmt::format("found a second rule with the {} \"{}\", expected one of its own; the first is at {}", key, value,
                    first->second));
  };
  check("name", rule.name);
  check("id", rule.id);
}

void read_rules(Reader& reader, const toml::table& root, const std::string& file, Taken& taken,
                std::vector<Rule>& rules) {
  reader.check_keys(root, "", {kRuleKey});
  const toml::node* node = root.get(kRuleKey);
  if (node == nullptr) return;
  std::size_t index = 0;
  for (const toml::table* table : reader.tables(*node, std::string(kRuleKey), kMostRules)) {
    const std::string prefix = fmt::format("{}[{}]", kRuleKey, index++);
    ReadRule read = read_rule(reader, *table, prefix);
    check_unique(reader, taken, read.rule, prefix, file, table->source().begin.line);
    if (read.enabled) rules.push_back(std::move(read.rule));
  }
}

/// Empty, or the faults of this file.
std::string add_rules(std::string_view text, const std::string& file, Taken& taken, std::vector<Rule>& rules) {
  Reader reader(file, false);
  try {
    read_rules(reader, toml::parse(text, file), file, taken, rules);
  } catch (const toml::parse_error& error) {
    const toml::source_position where = error.source().begin;
    return fmt::format("{}:{}:{}: syntax: {}", file, where.line, where.column, error.description());
  }
  return reader.message();
}

}  // namespace

Result<std::vector<Rule>> parse_rules(std::string_view text, const std::string& file) {
  std::vector<Rule> rules;
  Taken taken;
  const std::string faults = add_rules(text, file, taken, rules);
  if (!faults.empty()) return Error{faults, EINVAL};
  return rules;
}

Result<std::vector<Rule>> load_rules(const std::vector<std::string>& paths) {
  std::vector<Rule> rules;
  Taken taken;
  std::string faults;
  for (const std::string& path : paths) {
    const Result<std::string> text = read_text_file(path);
    if (!text) return text.error();
    const std::string more = add_rules(*text, path, taken, rules);
    faults += (faults.empty() || more.empty() ? "" : "\n") + more;
  }
  if (!faults.empty()) return Error{faults, EINVAL};
  return rules;
}

const std::vector<Rule>& default_rules() {
  static const std::vector<Rule> kRules = [] {
    Result<std::vector<Rule>> rules = parse_rules(default_rules_text(), "default.toml");
    if (!rules) throw std::logic_error(rules.error().message);  // part of the program, and tested
    return *std::move(rules);
  }();
  return kRules;
}

}  // namespace outrider
