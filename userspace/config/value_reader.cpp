#include "userspace/config/value_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "userspace/base/units.h"
#include "userspace/config/text_rules.h"

namespace outrider {
namespace {

using std::chrono::milliseconds;

const std::string* text_of(const toml::node& node) {
  const auto* value = node.as_string();
  return value == nullptr ? nullptr : &value->get();
}

std::string duration_range(milliseconds low, milliseconds high) {
  return fmt::format(R"(a duration from "{}" to "{}")", format_duration(low), format_duration(high));
}

/// None if it is no duration or out of range.
std::optional<milliseconds> duration_of(const toml::node& node, milliseconds low, milliseconds high) {
  const std::string* text = text_of(node);
  if (text == nullptr) return std::nullopt;
  const Result<milliseconds> duration = parse_duration(*text);
  if (!duration || *duration < low || *duration > high) return std::nullopt;
  return *duration;
}

struct ValueReader {
  const toml::node& node;

  std::string operator()(const FlagSlot& slot) const {
    const auto* value = node.as_boolean();
    if (value == nullptr) return "true or false";
    *slot.value = value->get();
    return "";
  }

  std::string operator()(const TextSlot& slot) const {
    const std::string* text = text_of(node);
    // Any text of the wrong type fails the rule of an impossible one, so that the message says what is wanted.
    if (text == nullptr) {
      const char* wanted = slot.rule("\n");
      return wanted == nullptr ? "a text" : wanted;
    }
    if (const char* wanted = slot.rule(*text)) return wanted;
    *slot.value = *text;
    return "";
  }

  std::string operator()(const ChoiceSlot& slot) const {
    const std::string* text = text_of(node);
    if (text == nullptr || std::find(slot.choices.begin(), slot.choices.end(), *text) == slot.choices.end()) {
      return fmt::format("\"{}\"", fmt::join(slot.choices, "\", \""));
    }
    *slot.value = *text;
    return "";
  }

  std::string operator()(const TextsSlot& slot) const {
    std::string wanted = fmt::format("an array of texts that are not empty, such as {}", slot.example);
    const auto* array = node.as_array();
    if (array == nullptr) return wanted;
    std::vector<std::string> texts;
    for (const toml::node& item : *array) {
      const std::string* text = text_of(item);
      if (text == nullptr || text->empty() || any_text(*text) != nullptr) return wanted;
      texts.push_back(*text);
    }
    *slot.value = std::move(texts);
    return "";
  }

  std::string operator()(const DurationSlot& slot) const {
    const auto duration = duration_of(node, slot.low, slot.high);
    if (!duration) return duration_range(slot.low, slot.high);
    *slot.value = *duration;
    return "";
  }

  std::string operator()(const OptionalDurationSlot& slot) const {
    const auto duration = duration_of(node, slot.low, slot.high);
    if (!duration) return duration_range(slot.low, slot.high);
    *slot.value = *duration;
    return "";
  }

  std::string operator()(const DurationOrOffSlot& slot) const {
    const std::string* text = text_of(node);
    const bool off = text != nullptr && *text == "off";
    const auto duration = off ? milliseconds(0) : duration_of(node, slot.low, slot.high);
    if (!duration) return duration_range(slot.low, slot.high) + ", or \"off\"";
    *slot.value = *duration;
    return "";
  }

  std::string operator()(const SecondsSlot& slot) const {
    constexpr milliseconds kLow{1};
    constexpr milliseconds kHigh = std::chrono::hours(1);
    const auto duration = duration_of(node, kLow, kHigh);
    if (!duration) return duration_range(kLow, kHigh);
    *slot.value = static_cast<double>(duration->count()) / 1000;
    return "";
  }

  std::string operator()(const SizeSlot& slot) const {
    const std::string* text = text_of(node);
    const Result<std::uint64_t> size = text == nullptr ? Result<std::uint64_t>(Error{}) : parse_size(*text);
    if (!size || *size < slot.low || *size > slot.high) {
      return fmt::format(R"(a size from "{}" to "{}")", format_size(slot.low), format_size(slot.high));
    }
    *slot.value = *size;
    return "";
  }

  std::string operator()(const CountSlot& slot) const {
    const auto* value = node.as_integer();
    if (value == nullptr || value->get() < slot.low || value->get() > slot.high) {
      return fmt::format("a whole number from {} to {}", slot.low, slot.high);
    }
    *slot.value = static_cast<std::uint32_t>(value->get());
    return "";
  }

  std::string operator()(const NumberSlot& slot) const {
    const auto value = node.value<double>();
    if (!node.is_number() || !value || !(*value >= slot.low && *value <= slot.high)) {
      return fmt::format("a number from {:g} to {:g}", slot.low, slot.high);
    }
    *slot.value = *value;
    return "";
  }

  std::string operator()(const PercentSlot& slot) const {
    const std::string* text = text_of(node);
    const Result<double> percent = text == nullptr ? Result<double>(Error{}) : parse_percent(*text);
    if (!percent) return R"(a percentage from "0%" to "100%")";
    *slot.value = std::round(*percent * kPercentGrid) / (kPercentGrid * slot.divisor);
    return "";
  }

  std::string operator()(const BudgetSlot& slot) const {
    const std::string* text = text_of(node);
    const auto budget = text == nullptr ? Result<std::optional<double>>(Error{}) : parse_budget(*text);
    if (!budget) return R"(a percentage such as "3%", above 0 and up to 100, or "off")";
    *slot.value = *budget;
    return "";
  }
};

}  // namespace

std::string read_value(const toml::node& node, const Slot& slot) { return std::visit(ValueReader{node}, slot); }

}  // namespace outrider
