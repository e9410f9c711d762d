// What the file may hold: each table, its keys in order, where each value lives and what it may be. Reading, printing
// and advice on misspelt keys all follow this one list. Fields borrow the configuration that they were made for.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "userspace/config/config.h"

namespace outrider {

/// Null if the text will do, else what was expected.
using TextRule = const char* (*)(std::string_view);

struct FlagSlot {
  bool* value;
};
/// A text that is not shown even when it is wrong: people paste a secret where the path of its file belongs.
enum class Secret {
  kNone,
  kFile,  ///< the path of a file, which must be private
  kUrl,   ///< may have a password in it
};
struct TextSlot {
  std::string* value;
  TextRule rule;
  Secret secret = Secret::kNone;
};
struct ChoiceSlot {
  std::string* value;
  std::vector<std::string_view> choices;
};
struct TextsSlot {
  std::vector<std::string>* value;
  const char* example = R"(["metrics.example.org"])";
};
struct DurationSlot {
  std::chrono::milliseconds* value;
  std::chrono::milliseconds low, high;
};
struct OptionalDurationSlot {
  std::optional<std::chrono::milliseconds>* value;
  std::chrono::milliseconds low, high;
};
/// "off" is 0.
struct DurationOrOffSlot {
  std::chrono::milliseconds* value;
  std::chrono::milliseconds low, high;
};
/// A duration that is kept in seconds.
struct SecondsSlot {
  double* value;
};
struct SizeSlot {
  std::uint64_t* value;
  std::uint64_t low, high;
};
struct CountSlot {
  std::uint32_t* value;
  std::uint32_t low, high;
};
struct NumberSlot {
  double* value;
  double low, high;
};
/// A percentage that is kept over `divisor`: 100 for 0..1, 1 for percent.
struct PercentSlot {
  double* value;
  double divisor;
};
struct BudgetSlot {
  std::optional<double>* value;
};

/// Steps in a percent. Percentages are rounded to it, because 99.9 / 100 is not 0.999 but its neighbour.
inline constexpr double kPercentGrid = 1e10;

using Slot = std::variant<FlagSlot, TextSlot, ChoiceSlot, TextsSlot, DurationSlot, OptionalDurationSlot,
                          DurationOrOffSlot, SecondsSlot, SizeSlot, CountSlot, NumberSlot, PercentSlot, BudgetSlot>;

struct Field {
  std::string_view key;
  Slot slot;
};

struct Section {
  std::string_view path;  ///< "export.influxdb"
  std::vector<Field> fields;
};

inline constexpr std::string_view kTargetsKey = "targets";    ///< array of tables at the root
inline constexpr std::string_view kTiersKey = "tiers";        ///< array of tables in [store]
inline constexpr std::string_view kAlertsKey = "alerts";      ///< table at the root
inline constexpr std::string_view kChannelsKey = "channels";  ///< array of tables in [alerts]
inline constexpr std::string_view kLabelsKey = "labels";      ///< table in a target

std::vector<Section> config_sections(Config& config);
/// Without what says how it is found, and without its labels.
std::vector<Field> target_fields(TargetConfig& target);
std::vector<Field> tier_fields(StoreTier& tier);

}  // namespace outrider
