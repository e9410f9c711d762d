#include "userspace/config/load.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <cerrno>

#include "userspace/config/channels.h"
#include "userspace/config/checks.h"
#include "userspace/config/lists.h"
#include "userspace/config/reader.h"
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
  return known;
}

void read_alerts(Reader& reader, const toml::table& root, Config& config) {
  const toml::table* alerts = reader.subtable(root, "", kAlertsKey);
  if (alerts == nullptr) return;
  const std::string prefix(kAlertsKey);
  reader.check_keys(*alerts, prefix, {kChannelsKey});
  read_channels(reader, *alerts, prefix, config.alerts.channels);
}

void read_root(Reader& reader, const toml::table& root, Config& config) {
  const std::vector<Section> sections = config_sections(config);
  std::vector<std::string_view> top = {kTargetsKey, kAlertsKey};
  const toml::table* store = nullptr;
  for (const Section& section : sections) {
    if (section.path.find('.') == std::string_view::npos) top.push_back(section.path);
    const toml::table* table = table_at(reader, root, section.path);
    if (section.path == "store") store = table;
    if (table == nullptr) continue;
    const std::string prefix(section.path);
    reader.check_keys(*table, prefix, keys_of(sections, section));
    reader.read_fields(*table, prefix, section.fields);
  }
  reader.check_keys(root, "", top);
  read_tiers(reader, store, config);
  read_targets(reader, root, config);
  read_alerts(reader, root, config);
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
  return config;
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& file) { return parse(text, file, false); }

Result<Config> load_config(const std::string& path) {
  const Result<std::string> text = read_text_file(path);
  if (!text) return text.error();
  return parse(*text, path, true);
}

}  // namespace outrider
