#include "userspace/config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "userspace/base/did_you_mean.h"
#include "userspace/config/load.h"
#include "userspace/config/value_reader.h"

namespace outrider {
namespace {

constexpr std::size_t kLongestShown = 60;

/// Fit for one line of a terminal.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kLongestShown)) {
    const auto code = static_cast<unsigned char>(c);
    out += code < 0x20 || code == 0x7f ? '?' : c;
  }
  if (text.size() <= kLongestShown) return out;
  // Not in the middle of a character: the rest of a cut one goes too.
  while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0U) == 0x80U) out.pop_back();
  if (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80U) != 0) out.pop_back();
  return out + "...";
}

std::string describe(const toml::node& node) {
  if (const auto* text = node.as_string()) return fmt::format("\"{}\"", shown(text->get()));
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_array()) return "an array";
  return node.is_table() ? "a table" : "a date or time";
}

/// Where in the file a key that is unknown here would be right: " (it belongs under [agent])".
std::string home_of(std::string_view key) {
  Config config;
  for (const Section& section : config_sections(config)) {
    for (const Field& field : section.fields) {
      // Words such as "path" have several homes.
      if (field.key == key && key.find('_') != std::string_view::npos) return std::string(section.path);
    }
  }
  return "";
}

}  // namespace

std::string found(const toml::node& node, std::string_view expected) {
  return fmt::format("found {}, expected {}", describe(node), expected);
}

std::string join_key(const std::string& prefix, std::string_view key) {
  return prefix.empty() ? std::string(key) : fmt::format("{}.{}", prefix, key);
}

void Reader::fault(const toml::source_position& where, const std::string& key, std::string_view what) {
  faulty_.insert(key);
  const std::pair<std::size_t, std::size_t> place(where.line, where.column);
  faults_.emplace(place, fmt::format("{}:{}:{}: {}: {}", file_, place.first, place.second, shown(key), what));
}

void Reader::cross_fault(const std::vector<std::string>& keys, std::string_view what) {
  const auto faulty = [&](const std::string& key) { return faulty_.count(key) != 0; };
  if (std::any_of(keys.begin(), keys.end(), faulty)) return;
  for (const std::string& key : keys) {
    if (const auto seen = seen_.find(key); seen != seen_.end()) return fault(seen->second, keys.front(), what);
  }
  fault({1, 1}, keys.front(), what);
}

std::size_t Reader::line_of(const std::string& key) const {
  const auto seen = seen_.find(key);
  return seen == seen_.end() ? 0 : seen->second.line;
}

void Reader::read_field(const toml::node& node, const std::string& key, const Slot& slot) {
  saw(key, node.source().begin);
  const std::string expected = read_value(node, slot);
  const auto* text = std::get_if<TextSlot>(&slot);
  const bool hidden = text != nullptr && text->secret != Secret::kNone && node.is_string();
  if (!expected.empty()) {
    return fault(node.source().begin, key,
                 hidden ? fmt::format("found a text (not shown), expected {}", expected) : found(node, expected));
  }
  check_secret(node, key, slot);
}

void Reader::check_secret(const toml::node& node, const std::string& key, const Slot& slot) {
  const auto* text = std::get_if<TextSlot>(&slot);
  if (!look_at_files_ || text == nullptr || text->secret != Secret::kFile || text->value->empty()) return;
  const auto secret = read_secret(*text->value);
  if (secret) return;
  // No such file: the text may be the secret itself. Some begin with a slash.
  const int code = secret.error().code;
  const bool no_file = code == ENOENT || code == ENOTDIR || code == ENAMETOOLONG;
  fault(node.source().begin, key,
        no_file
            ? fmt::format("found a text (not shown) that is no file's path: {}; expected the path of a file with the "
                          "secret",
                          std::strerror(code))
            : secret.error().message);
}

void Reader::read_fields(const toml::table& table, const std::string& prefix, const std::vector<Field>& fields) {
  for (const Field& field : fields) {
    if (const toml::node* node = table.get(field.key)) read_field(*node, join_key(prefix, field.key), field.slot);
  }
}

const toml::table* Reader::subtable(const toml::table& table, const std::string& prefix, std::string_view key) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return nullptr;
  const std::string full = join_key(prefix, key);
  if (!node->is_table()) fault(node->source().begin, full, found(*node, fmt::format("a table: [{}]", full)));
  return node->as_table();
}

std::vector<const toml::table*> Reader::tables(const toml::node& node, const std::string& key, std::size_t most) {
  std::vector<const toml::table*> tables;
  const auto* array = node.as_array();
  const std::string expected = fmt::format("an array of at most {} tables", most);
  if (array == nullptr || array->size() > most) {
    fault(node.source().begin, key,
          array == nullptr ? found(node, expected) : fmt::format("found {}, expected {}", array->size(), expected));
    return tables;
  }
  for (const toml::node& item : *array) {
    if (!item.is_table()) fault(item.source().begin, key, found(item, "a table"));
    if (item.is_table()) tables.push_back(item.as_table());
  }
  return tables;
}

void Reader::check_keys(const toml::table& table, const std::string& prefix,
                        const std::vector<std::string_view>& known) {
  for (const auto& [key, value] : table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    const std::string home = home_of(key.str());
    const std::string advice = home.empty() ? did_you_mean(key.str(), known) : fmt::format("it belongs to [{}]", home);
    fault(key.source().begin, join_key(prefix, key.str()),
          fmt::format("found an unknown {}; {}", value.is_table() ? "table" : "key", advice));
  }
}

std::string Reader::message() const {
  std::string out;
  for (const auto& [place, line] : faults_) out += (out.empty() ? "" : "\n") + line;
  return out;
}

}  // namespace outrider
