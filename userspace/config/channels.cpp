#include "userspace/config/channels.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "userspace/config/text_rules.h"

namespace outrider {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kMostChannels = 16;
constexpr milliseconds kLongest = hours(24 * 30);
constexpr const char* kTypeKey = "type";
constexpr const char* kAlertmanager = "alertmanager";

const char* channel_name(std::string_view text) {
  return !text.empty() && any_text(text) == nullptr ? nullptr : "a name for the channel, without control characters";
}

ChoiceSlot type_slot(ChannelConfig& c) { return {&c.type, {"log", "exec", "webhook", kAlertmanager, "file", "mail"}}; }

// Alertmanager repeats by itself, and forgets what it is not told of again within a few minutes.
Field repeat_field(ChannelConfig& c) {
  if (c.type == kAlertmanager) {
    return {"repeat_interval", DurationSlot{&c.repeat_interval, seconds(1), minutes(10)}};
  }
  return {"repeat_interval", DurationOrOffSlot{&c.repeat_interval, seconds(1), kLongest}};
}

std::vector<Field> common_fields(ChannelConfig& c) {
  return {{kTypeKey, type_slot(c)},
          {"name", TextSlot{&c.name, channel_name}},
          {"severity", ChoiceSlot{&c.severity, {"info", "warning", "critical", "emergency"}}},
          {"group_wait", DurationOrOffSlot{&c.group_wait, milliseconds(1), minutes(10)}},
          repeat_field(c),
          {"give_up_after", DurationSlot{&c.give_up_after, seconds(1), kLongest}},
          {"queue", CountSlot{&c.queue, 1, 100'000}}};
}

std::vector<Field> own_fields(ChannelConfig& c) {
  const Field timeout = {"timeout", DurationSlot{&c.timeout, milliseconds(1), minutes(10)}};
  if (c.type == "exec") return {{"command", TextsSlot{&c.command, R"(["/path/of/program", "argument"])"}}, timeout};
  if (c.type == "file") return {{"path", TextSlot{&c.path, json_path}}};
  if (c.type == "mail") {
    return {{"to", TextsSlot{&c.to, R"(["name@example.org"])"}},
            {"from", TextSlot{&c.from, optional_mail_address}},
            {"sendmail", TextSlot{&c.sendmail, absolute_path}},
            timeout};
  }
  if (c.type == "log") return {};
  return {{"url", TextSlot{&c.url, c.type == kAlertmanager ? optional_url : webhook_url, Secret::kUrl}},
          {"bearer_token_file", TextSlot{&c.bearer_token_file, optional_path, Secret::kFile}},
          {"ca_file", TextSlot{&c.ca_file, optional_path}},
          timeout};
}

/// What a channel of this type cannot do without and has not; null: it has all.
const char* missing_key(const ChannelConfig& c) {
  if (c.type == "exec" && c.command.empty()) return "command";
  if (c.type == "file" && c.path.empty()) return "path";
  if (c.type == "mail" && c.to.empty()) return "to";
  if ((c.type == "webhook" || c.type == kAlertmanager) && c.url.empty()) return "url";
  return nullptr;
}

/// All keys of channels of the other types.
std::vector<std::string_view> foreign_keys(const std::vector<Field>& fields) {
  ChannelConfig other;
  std::vector<std::string_view> keys;
  for (const std::string_view type : type_slot(other).choices) {
    other.type = type;
    for (const Field& field : own_fields(other)) keys.push_back(field.key);
  }
  const auto ours = [&](std::string_view key) {
    return std::any_of(fields.begin(), fields.end(), [&](const Field& field) { return field.key == key; });
  };
  keys.erase(std::remove_if(keys.begin(), keys.end(), ours), keys.end());
  return keys;
}

void check_channel_keys(Reader& reader, const toml::table& table, const std::string& prefix,
                        const std::vector<Field>& fields, const std::string& type) {
  std::vector<std::string_view> known;
  known.reserve(fields.size());
  for (const Field& field : fields) known.push_back(field.key);
  for (const std::string_view key : foreign_keys(fields)) {
    if (const toml::node* node = table.get(key)) {
      reader.fault(node->source().begin, join_key(prefix, key),
                   fmt::format("found a key that a channel of the type \"{}\" does not have, expected none", type));
      known.push_back(key);
    }
  }
  reader.check_keys(table, prefix, known);
}

void check_texts(Reader& reader, const std::string& prefix, const ChannelConfig& channel) {
  if (!channel.command.empty()) {
    if (const char* wanted = absolute_path(channel.command.front())) {
      reader.cross_fault({join_key(prefix, "command")}, fmt::format("the program is not {}", wanted));
    }
  }
  for (const std::string& address : channel.to) {
    if (const char* wanted = mail_address(address)) {
      reader.cross_fault({join_key(prefix, "to")}, fmt::format("found \"{}\", expected {}", address, wanted));
    }
  }
}

/// False: a fault.
bool read_type(Reader& reader, const toml::table& table, const std::string& prefix, ChannelConfig& channel) {
  const std::string key = join_key(prefix, kTypeKey);
  const toml::node* node = table.get(kTypeKey);
  if (node == nullptr) {
    reader.fault(table.source().begin, key, "found none, expected log, exec, webhook, alertmanager, file or mail");
    return false;
  }
  ChannelConfig read;
  read.type.clear();
  reader.read_field(*node, key, type_slot(read));
  if (read.type.empty()) return false;
  channel = ChannelConfig::of_type(read.type);
  return true;
}

void read_channel(Reader& reader, const toml::table& table, const std::string& prefix,
                  std::vector<ChannelConfig>& channels) {
  ChannelConfig channel;
  if (!read_type(reader, table, prefix, channel)) return;
  const std::vector<Field> fields = channel_fields(channel);
  check_channel_keys(reader, table, prefix, fields, channel.type);
  reader.read_fields(table, prefix, fields);
  if (const char* missing = missing_key(channel)) {
    reader.cross_fault({join_key(prefix, missing), join_key(prefix, kTypeKey)},
                       fmt::format("found none, expected one: a channel of the type \"{}\" needs it", channel.type));
  }
  check_texts(reader, prefix, channel);
  const auto same = [&](const ChannelConfig& other) { return other.name == channel.name; };
  if (std::any_of(channels.begin(), channels.end(), same)) {
    reader.cross_fault({join_key(prefix, "name"), join_key(prefix, kTypeKey)},
                       fmt::format("found a second channel called \"{}\", expected a name of its own", channel.name));
  }
  channels.push_back(std::move(channel));
}

}  // namespace

ChannelConfig ChannelConfig::of_type(const std::string& type) {
  ChannelConfig channel;
  channel.type = type;
  channel.name = type;
  channel.repeat_interval = type == kAlertmanager ? milliseconds(minutes(1)) : milliseconds(hours(4));
  channel.give_up_after = hours(24);
  if (type == "mail") channel.timeout = seconds(30);
  return channel;
}

std::vector<Field> channel_fields(ChannelConfig& channel) {
  std::vector<Field> fields = common_fields(channel);
  std::vector<Field> own = own_fields(channel);
  std::move(own.begin(), own.end(), std::back_inserter(fields));
  return fields;
}

void read_channels(Reader& reader, const toml::table& alerts, const std::string& prefix,
                   std::vector<ChannelConfig>& channels) {
  const toml::node* node = alerts.get(kChannelsKey);
  if (node == nullptr) return;
  const std::string key = join_key(prefix, kChannelsKey);
  channels.clear();
  std::size_t index = 0;
  for (const toml::table* table : reader.tables(*node, key, kMostChannels)) {
    read_channel(reader, *table, fmt::format("{}[{}]", key, index++), channels);
  }
}

}  // namespace outrider
