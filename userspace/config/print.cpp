// to_toml(): the configuration as a file that reads back the same.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "userspace/base/units.h"
#include "userspace/config/channels.h"
#include "userspace/config/load.h"
#include "userspace/config/schema.h"

namespace outrider {
namespace {

using std::chrono::milliseconds;

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20 || code == 0x7f) {
      out += fmt::format("\\u{:04X}", code);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string digits(double value) {
  const std::string text = fmt::format("{}", value);
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

/// Undoes what the reader did, on its grid: 0.07 is "7%", not "7.000000000000001%".
std::string percent(double value, double divisor) {
  return toml_text(digits(std::round(value * divisor * kPercentGrid) / kPercentGrid) + "%");
}

struct Printer {
  std::string operator()(const FlagSlot& slot) const { return *slot.value ? "true" : "false"; }
  std::string operator()(const TextSlot& slot) const { return toml_text(*slot.value); }
  std::string operator()(const ChoiceSlot& slot) const { return toml_text(*slot.value); }
  std::string operator()(const TextsSlot& slot) const {
    std::vector<std::string> texts;
    for (const std::string& text : *slot.value) texts.push_back(toml_text(text));
    return fmt::format("[{}]", fmt::join(texts, ", "));
  }
  std::string operator()(const DurationSlot& slot) const { return toml_text(format_duration(*slot.value)); }
  std::string operator()(const OptionalDurationSlot& slot) const {
    return *slot.value ? toml_text(format_duration(**slot.value)) : "";
  }
  std::string operator()(const DurationOrOffSlot& slot) const {
    return slot.value->count() == 0 ? "\"off\"" : toml_text(format_duration(*slot.value));
  }
  std::string operator()(const SecondsSlot& slot) const {
    return toml_text(format_duration(milliseconds(std::llround(*slot.value * 1000))));
  }
  std::string operator()(const SizeSlot& slot) const { return toml_text(format_size(*slot.value)); }
  std::string operator()(const CountSlot& slot) const { return fmt::format("{}", *slot.value); }
  std::string operator()(const NumberSlot& slot) const { return digits(*slot.value); }
  std::string operator()(const PercentSlot& slot) const { return percent(*slot.value, slot.divisor); }
  std::string operator()(const BudgetSlot& slot) const {
    return *slot.value ? toml_text(digits(**slot.value) + "%") : "\"off\"";
  }
};

void print_fields(std::string& out, const std::vector<Field>& fields) {
  for (const Field& field : fields) {
    const std::string value = std::visit(Printer{}, field.slot);
    if (!value.empty()) out += fmt::format("{} = {}\n", field.key, value);
  }
}

void print_tiers(std::string& out, const std::vector<StoreTier>& tiers) {
  std::vector<std::string> items;
  items.reserve(tiers.size());
  for (const StoreTier& tier : tiers) {
    items.push_back(fmt::format("{{ step = {}, keep = {} }}", toml_text(format_duration(tier.step)),
                                toml_text(format_duration(tier.keep))));
  }
  out += fmt::format("{} = [{}]\n", kTiersKey, fmt::join(items, ", "));
}

void print_target(std::string& out, TargetConfig target) {
  const bool number = target.by == TargetConfig::By::kPid;
  out += fmt::format("\n[[{}]]\n{} = {}\n", kTargetsKey, key_of(target.by),
                     number ? target.value : toml_text(target.value));
  print_fields(out, target_fields(target));
  std::vector<std::string> labels;
  for (const auto& [name, value] : target.labels) labels.push_back(fmt::format("{} = {}", name, toml_text(value)));
  if (!labels.empty()) out += fmt::format("{} = {{ {} }}\n", kLabelsKey, fmt::join(labels, ", "));
}

void print_channels(std::string& out, const AlertsConfig& alerts) {
  for (ChannelConfig channel : alerts.channels) {
    out += fmt::format("\n[[{}.{}]]\n", kAlertsKey, kChannelsKey);
    print_fields(out, channel_fields(channel));
  }
}

}  // namespace

std::string to_toml(const Config& config) {
  Config copy = config;  // fields point at what may be written; printing only reads it
  std::string out;
  for (const Section& section : config_sections(copy)) {
    out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section.path);
    print_fields(out, section.fields);
    if (section.path == "store") print_tiers(out, copy.store.tiers);
    if (section.path == kAlertsKey && copy.alerts.channels.empty()) out += fmt::format("{} = []\n", kChannelsKey);
  }
  print_channels(out, config.alerts);
  for (const TargetConfig& target : config.targets) print_target(out, target);
  return out;
}

}  // namespace outrider
