#include "userspace/config/lists.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "userspace/config/text_rules.h"

namespace outrider {
namespace {

constexpr std::array<TargetConfig::By, 5> kWays = {TargetConfig::By::kPid, TargetConfig::By::kExe,
                                                   TargetConfig::By::kName, TargetConfig::By::kUnit,
                                                   TargetConfig::By::kCgroup};
constexpr const char* kOneWay = "exactly one of pid, exe, name, unit, cgroup";
constexpr std::int64_t kLargestPid = 4'194'304;  // PID_MAX_LIMIT of 64-bit kernels
constexpr std::size_t kMostTargets = 64;
constexpr std::size_t kMostTiers = 8;

const char* not_empty(std::string_view text) {
  return !text.empty() && any_text(text) == nullptr ? nullptr : "the name of a process, as in /proc/PID/comm";
}

const char* unit_name(std::string_view text) {
  const bool fits =
      !text.empty() && !text.starts_with('.') && any_text(text) == nullptr && text.find('/') == std::string_view::npos;
  return fits ? nullptr : "a systemd unit, such as \"postgresql.service\"";
}

const char* cgroup_path(std::string_view text) {
  const bool fits = absolute_path(text) == nullptr && text.find("/..") == std::string_view::npos;
  return fits ? nullptr : "a cgroup's path, such as \"/system.slice/engine.service\"";
}

TextRule rule_of(TargetConfig::By by) {
  if (by == TargetConfig::By::kExe) return absolute_path;
  if (by == TargetConfig::By::kUnit) return unit_name;
  return by == TargetConfig::By::kCgroup ? cgroup_path : not_empty;
}

std::string default_name(const TargetConfig& target) {
  switch (target.by) {
    case TargetConfig::By::kPid:
      return "pid-" + target.value;
    case TargetConfig::By::kUnit:
      return target.value.substr(0, target.value.rfind('.'));
    case TargetConfig::By::kName:
      return target.value;
    case TargetConfig::By::kExe:
    case TargetConfig::By::kCgroup:
      return target.value.substr(target.value.rfind('/') + 1);
  }
  return "";
}

void read_value_of(Reader& reader, const toml::node& node, const std::string& key, TargetConfig& target) {
  if (target.by != TargetConfig::By::kPid) {
    reader.read_field(node, key, TextSlot{&target.value, rule_of(target.by)});
    if (target.by == TargetConfig::By::kUnit && !target.value.empty() && target.value.find('.') == std::string::npos) {
      target.value += ".service";
    }
    return;
  }
  std::uint32_t pid = 0;
  reader.read_field(node, key, CountSlot{&pid, 1, kLargestPid});
  if (pid != 0) target.value = std::to_string(pid);
}

/// How the target is found: one key, no more and no less.
void read_way(Reader& reader, const toml::table& table, const std::string& prefix, TargetConfig& target) {
  std::vector<std::string_view> given;
  for (const TargetConfig::By by : kWays) {
    const toml::node* node = table.get(key_of(by));
    if (node == nullptr) continue;
    given.emplace_back(key_of(by));
    target.by = by;
    target.value.clear();
    read_value_of(reader, *node, join_key(prefix, key_of(by)), target);
  }
  if (given.size() == 1) return;
  const std::string what = given.empty() ? "none" : fmt::format("{}", fmt::join(given, ", "));
  reader.fault(table.source().begin, prefix, fmt::format("found {}, expected {}", what, kOneWay));
}

std::vector<std::string_view> target_keys(const std::vector<Field>& fields) {
  std::vector<std::string_view> known;
  known.reserve(std::size(kWays) + fields.size() + 1);
  for (const TargetConfig::By by : kWays) known.emplace_back(key_of(by));
  for (const Field& field : fields) known.push_back(field.key);
  known.push_back(kLabelsKey);
  return known;
}

void read_target(Reader& reader, const toml::table& table, const std::string& prefix, Config& config) {
  TargetConfig target;
  target.max_overhead_percent = config.max_overhead_percent;
  const std::vector<Field> fields = target_fields(target);
  reader.check_keys(table, prefix, target_keys(fields));
  read_way(reader, table, prefix, target);
  reader.read_fields(table, prefix, fields);
  read_labels(reader, table, prefix, target.labels);
  if (target.query_text == "normalised" && target.types == "keyword") {
    reader.cross_fault({join_key(prefix, "types"), join_key(prefix, "query_text")},
                       "found keywords, which are all that is read of a query then; expected \"statement\" with "
                       "query_text = \"normalised\"");
  }
  if (target.types_by != "off" && target.types == "keyword") {
    reader.cross_fault({join_key(prefix, "types"), join_key(prefix, "types_by")},
                       "found keywords, which are anybody's; expected \"statement\" with types_by");
  }
  if (target.value.empty()) return;  // a fault already
  if (target.name.empty()) target.name = default_name(target);
  const auto same = [&](const TargetConfig& other) { return other.name == target.name; };
  if (std::any_of(config.targets.begin(), config.targets.end(), same)) {
    reader.cross_fault(
        {join_key(prefix, "display_name"), join_key(prefix, key_of(target.by))},
        fmt::format("found a second target called \"{}\", expected a display_name of its own", target.name));
  }
  config.targets.push_back(std::move(target));
}

}  // namespace

void read_labels(Reader& reader, const toml::table& table, const std::string& prefix,
                 std::map<std::string, std::string>& into) {
  const toml::table* labels = reader.subtable(table, prefix, kLabelsKey);
  if (labels == nullptr) return;
  const std::string full = join_key(prefix, kLabelsKey);
  for (const auto& [key, value] : *labels) {
    if (const char* wanted = label_name(key.str())) {
      reader.fault(key.source().begin, join_key(full, key.str()), fmt::format("found this name, expected {}", wanted));
      continue;
    }
    std::string text;
    reader.read_field(value, join_key(full, key.str()), TextSlot{&text, any_text});
    into.emplace(key.str(), std::move(text));
  }
}

void read_targets(Reader& reader, const toml::table& root, Config& config) {
  const toml::node* node = root.get(kTargetsKey);
  if (node == nullptr) return;
  const std::string key(kTargetsKey);
  std::size_t index = 0;
  for (const toml::table* table : reader.tables(*node, key, kMostTargets)) {
    read_target(reader, *table, fmt::format("{}[{}]", key, index++), config);
  }
}

void read_tiers(Reader& reader, const toml::table* store, Config& config) {
  const toml::node* node = store == nullptr ? nullptr : store->get(kTiersKey);
  std::vector<StoreTier>& tiers = config.store.tiers;
  if (node == nullptr) {
    tiers[1].keep = std::max(config.metrics_retention, tiers[0].keep);
    tiers[2].keep = std::max(config.metrics_retention, tiers[2].keep);
    return;
  }
  const std::string key = join_key("store", kTiersKey);
  reader.saw(key, node->source().begin);
  tiers.clear();
  std::size_t index = 0;
  for (const toml::table* table : reader.tables(*node, key, kMostTiers)) {
    StoreTier tier;
    const std::string prefix = fmt::format("{}[{}]", key, index++);
    reader.check_keys(*table, prefix, {"step", "keep"});
    for (const char* each : {"step", "keep"}) {
      if (!table->contains(each))
        reader.fault(table->source().begin, join_key(prefix, each), "found nothing, expected a duration");
    }
    reader.read_fields(*table, prefix, tier_fields(tier));
    tiers.push_back(tier);
  }
}

}  // namespace outrider
