#include "userspace/config/load.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <cerrno>

#include "userspace/config/channels.h"
#include "userspace/config/checks.h"
#include "userspace/config/lists.h"
#include "userspace/config/reader.h"
#include "userspace/config/rules.h"
#include "userspace/config/schema.h"
#include "userspace/config/text_file.h"

namespace outrider {
namespace {

/// The table at "export.influxdb"; null if it is not there. The parent's own faults are told with the parent.
const toml::table* table_at(Reader& reader, const toml::table& root, std::string_view path) {
  const std::size_t dot = path.find('.');
  if (dot == std::string_view::npos) return reader.subtable(root, "", path);
  const toml::node* parent = root.get(path.substr(0, dot));
  if (parent == nullptr || !parent->is_table()) return nullptr;
  return reader.subtable(*parent->as_table(), std::string(path.substr(0, dot)), path.substr(dot + 1));
}

/// The keys of `section` and the tables right under it.
std::vector<std::string_view> keys_of(const std::vector<Section>& sections, const Section& section) {
  std::vector<std::string_view> known;
  for (const Field& field : section.fields) known.push_back(field.key);
  for (const Section& other : sections) {
    const bool under = other.path.size() > section.path.size() && other.path.starts_with(section.path) &&
                       other.path[section.path.size()] == '.';
    if (under) known.push_back(other.path.substr(section.path.size() + 1));
  }
  if (section.path == "store") known.push_back(kTiersKey);
  if (section.path == kAlertsKey) known.push_back(kChannelsKey);
  return known;
}

void read_root(Reader& reader, const toml::table& root, Config& config) {
  const std::vector<Section> sections = config_sections(config);
  std::vector<std::string_view> top = {kTargetsKey};
  const toml::table* store = nullptr;
  const toml::table* alerts = nullptr;
  for (const Section& section : sections) {
    if (section.path.find('.') == std::string_view::npos) top.push_back(section.path);
    const toml::table* table = table_at(reader, root, section.path);
    if (section.path == "store") store = table;
    if (section.path == kAlertsKey) alerts = table;
    if (table == nullptr) continue;
    const std::string prefix(section.path);
    reader.check_keys(*table, prefix, keys_of(sections, section));
    reader.read_fields(*table, prefix, section.fields);
  }
  reader.check_keys(root, "", top);
  read_tiers(reader, store, config);
  read_targets(reader, root, config);
  if (alerts != nullptr) read_channels(reader, *alerts, std::string(kAlertsKey), config.alerts.channels);
}

Result<Config> parse(std::string_view text, const std::string& file, bool look_at_files) {
  Reader reader(file, look_at_files);
  Config config;
  try {
    const toml::table root = toml::parse(text, file);
    read_root(reader, root, config);
  } catch (const toml::parse_error& error) {
    const toml::source_position where = error.source().begin;
    return Error{fmt::format("{}:{}:{}: syntax: {}", file, where.line, where.column, error.description()), EINVAL};
  }
  check_together(reader, config);
  if (!reader.good()) return Error{reader.message(), EINVAL};
  if (config.alerts.rule_files.empty()) config.alerts.rules = default_rules();
  return config;
}

/// The rules that it names, so that a fault in them is one of the configuration.
Result<Config> with_rules(Config config) {
  if (config.alerts.rule_files.empty()) return config;
  Result<std::vector<Rule>> rules = load_rules(config.alerts.rule_files);
  if (!rules) return rules.error();
  config.alerts.rules = *std::move(rules);
  return config;
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& file) { return parse(text, file, false); }

Result<Config> load_config(const std::string& path) {
  const Result<std::string> text = read_text_file(path);
  if (!text) return text.error();
  Result<Config> config = parse(*text, path, true);
  return config ? with_rules(*std::move(config)) : config.error();
}

}  // namespace outrider
