#include "userspace/config/rule_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "userspace/base/did_you_mean.h"
#include "userspace/base/quantity.h"
#include "userspace/base/units.h"
#include "userspace/config/lists.h"
#include "userspace/config/text_rules.h"
#include "userspace/model/snapshot_field.h"

namespace outrider {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestHold = std::chrono::hours(24 * 7);
constexpr milliseconds kLastingHold = std::chrono::seconds(10);
constexpr std::uint32_t kQueriesToTell = 10;
constexpr std::size_t kLongestName = 100;
const std::vector<std::string_view> kKeys = {"name",  "id",     "condition", "threshold",     "above",  "below",
                                             "for",   "clear",  "clear_for", "least_queries", "absent", "severity",
                                             "types", "labels", "targets",   "annotation",    "enabled"};

bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

const char* rule_name(std::string_view text) {
  const bool fits = !text.empty() && text.size() <= kLongestName && any_text(text) == nullptr;
  return fits ? nullptr : "a name of at most 100 bytes, such as \"High Response Time\"";
}

const char* rule_id(std::string_view text) {
  const bool fits = !text.empty() && text.size() <= kLongestName &&
                    std::all_of(text.begin(), text.end(), [](char c) { return is_plain(c) || c == '_' || c == '-'; });
  return fits ? nullptr : "an id of small letters, digits, - and _, such as \"high_response_time\"";
}

/// "High p99 (writes)" is "high_p99_writes".
std::string slug(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (is_plain(small)) {
      out += small;
    } else if (!out.empty() && out.back() != '_') {
      out += '_';
    }
  }
  if (out.ends_with('_')) out.pop_back();
  return out;
}

std::string advice_on_condition(const std::string& word) {
  std::vector<std::string_view> names;
  std::vector<std::string_view> all;
  names.reserve(known_conditions().size());
  all.reserve(known_conditions().size() + snapshot_fields().size());
  for (const Condition& condition : known_conditions()) names.emplace_back(condition.name);
  all = names;
  for (const SnapshotField& field : snapshot_fields()) {
    if (field.name.ends_with("." + word)) return fmt::format("did you mean '{}'?", field.name);
    all.emplace_back(field.name);
  }
  std::string advice = did_you_mean(word, all);
  if (advice.starts_with("did you mean")) return advice;
  return fmt::format("expected one of {}, or a figure of the snapshot such as query_metrics.p99_response_time_seconds",
                     fmt::join(names, ", "));
}

/// Latencies, and shares of queries or of their time: figures that a few queries make by chance.
bool needs_queries(const SnapshotField& field) {
  const bool of_queries = field.name.starts_with("query_metrics.") || field.name.starts_with("waits.") ||
                          field.name.starts_with("cache_metrics.");
  return of_queries && (field.name.ends_with("_time_seconds") || field.unit == "ratio");
}

class RuleReader {
 public:
  RuleReader(Reader& reader, const toml::table& table, const std::string& prefix)
      : reader_(reader), table_(table), prefix_(prefix) {}

  ReadRule read();

 private:
  [[nodiscard]] std::string key(std::string_view name) const { return join_key(prefix_, name); }
  /// Null if the file does not have it.
  const toml::node* take(std::string_view name);
  void field(std::string_view name, const Slot& slot);
  void missing(std::string_view name, std::string_view expected) {
    reader_.fault(table_.source().begin, key(name), fmt::format("found nothing, expected {}", expected));
  }
  void unwanted(std::string_view name, std::string_view why) {
    if (const toml::node* node = take(name)) reader_.fault(node->source().begin, key(name), why);
  }

  void read_identity();
  void read_condition();
  void read_threshold();
  void read_direction();
  void read_times();
  void read_selection();
  void read_labels_of_rule();
  std::optional<double> quantity(std::string_view name);
  void duration(std::string_view name, milliseconds& into);
  void check_clear();

  Reader& reader_;
  const toml::table& table_;
  const std::string& prefix_;
  ReadRule out_;
  Rule& rule_ = out_.rule;
  const SnapshotField* figure_ = nullptr;  ///< null while the condition is faulty
  bool has_direction_ = false;             ///< the condition's own
};

const toml::node* RuleReader::take(std::string_view name) {
  const toml::node* node = table_.get(name);
  if (node != nullptr) reader_.saw(key(name), node->source().begin);
  return node;
}

void RuleReader::field(std::string_view name, const Slot& slot) {
  if (const toml::node* node = take(name)) reader_.read_field(*node, key(name), slot);
}

void RuleReader::read_identity() {
  if (!table_.contains("name")) missing("name", "a name, such as \"High Response Time\"");
  field("name", TextSlot{&rule_.name, rule_name});
  field("id", TextSlot{&rule_.id, rule_id});
  if (rule_.id.empty() && !table_.contains("id")) rule_.id = slug(rule_.name);
  if (rule_.id.empty() && !rule_.name.empty()) {
    reader_.cross_fault({key("id"), key("name")}, "found a name without a letter of a to z, expected an id beside it");
  }
  std::string severity = name_of(rule_.severity);
  field("severity", ChoiceSlot{&severity, {"info", "warning", "critical", "emergency"}});
  rule_.severity = *severity_of(severity);
  field("annotation", TextSlot{&rule_.annotation, any_text});
  field("enabled", FlagSlot{&out_.enabled});
}

void RuleReader::read_condition() {
  std::string name;
  if (!table_.contains("condition")) missing("condition", "a condition such as \"response_time_high\"");
  field("condition", TextSlot{&name, any_text});
  if (name.empty()) return;
  if (const Condition* known = find_condition(name)) {
    rule_.condition = *known;
    has_direction_ = true;
  } else {
    rule_.condition.name = rule_.condition.field = name;
  }
  figure_ = find_snapshot_field(rule_.condition.field);
  if (figure_ == nullptr) {
    reader_.cross_fault({key("condition")}, fmt::format("found \"{}\"; {}", name, advice_on_condition(name)));
  }
}

std::optional<double> RuleReader::quantity(std::string_view name) {
  const toml::node* node = take(name);
  if (node == nullptr) return std::nullopt;
  const std::string& unit = figure_->unit;
  if (const auto* text = node->as_string()) {
    const Result<double> value = parse_quantity(text->get(), unit);
    if (value) return *value;
  } else if (const auto number = node->value<double>(); node->is_number() && number && in_range(*number, unit)) {
    return number;
  }
  reader_.fault(node->source().begin, key(name), found(*node, expected_quantity(unit)));
  return std::nullopt;
}

void RuleReader::read_direction() {
  const bool above = table_.contains("above");
  if (above == table_.contains("below")) {
    const char* expected = "exactly one of above and below, because this condition does not say which is bad";
    if (above) {
      unwanted("below", fmt::format("found it beside above, expected {}", expected));
    } else if (!table_.contains("threshold")) {
      missing("above", expected);
    }
    return;
  }
  rule_.condition.above = above;
  if (const auto value = quantity(above ? "above" : "below")) rule_.threshold = *value;
}

void RuleReader::read_threshold() {
  field("absent", FlagSlot{&rule_.absent});
  if (rule_.absent) {
    for (const char* name : {"threshold", "above", "below", "clear", "least_queries", "types"}) {
      unwanted(name,
               "found it beside absent = true, expected neither threshold nor types: what is judged is whether "
               "the target has the figure at all");
    }
    return;
  }
  if (figure_ == nullptr) return;  // what a threshold may be is unknown
  if (!has_direction_) {
    unwanted("threshold", "found it with a figure as the condition, expected above or below in its place");
    return read_direction();
  }
  for (const char* name : {"above", "below"}) {
    unwanted(name, fmt::format("found it with {}, which says so itself, expected threshold in its place",
                               rule_.condition.name));
  }
  const bool other = table_.contains("above") || table_.contains("below");
  if (!other && !table_.contains("threshold")) missing("threshold", expected_quantity(figure_->unit));
  if (const auto value = quantity("threshold")) rule_.threshold = *value;
}

void RuleReader::duration(std::string_view name, milliseconds& into) {
  const toml::node* node = take(name);
  if (node == nullptr) return;
  const auto* text = node->as_string();
  const Result<double> given = text == nullptr ? Result<double>(Error{}) : parse_quantity(text->get(), "seconds");
  if (given && *given * 1000 <= static_cast<double>(kLongestHold.count())) {
    into = milliseconds(std::llround(*given * 1000));
    return;
  }
  reader_.fault(node->source().begin, key(name),
                found(*node, fmt::format(R"(a duration from "0s" to "{}")", format_duration(kLongestHold))));
}

void RuleReader::read_times() {
  duration("for", rule_.hold);
  duration("clear_for", rule_.clear_for);
  std::uint32_t least = 0;
  if (figure_ != nullptr && needs_queries(*figure_) && !rule_.absent) {
    least = rule_.hold >= kLastingHold ? 1 : kQueriesToTell;
  }
  field("least_queries", CountSlot{&least, 0, 1'000'000'000});
  rule_.least_queries = least;
}

void RuleReader::check_clear() {
  if (rule_.absent || figure_ == nullptr) return;
  rule_.clear = quantity("clear");
  if (!rule_.clear) return;
  const bool above = rule_.condition.above;
  if (above ? *rule_.clear <= rule_.threshold : *rule_.clear >= rule_.threshold) return;
  reader_.cross_fault({key("clear"), key("threshold"), key("above"), key("below")},
                      fmt::format("found {}, expected no {} than the threshold of {}: it says where the alert is over",
                                  format_quantity(*rule_.clear, figure_->unit), above ? "more" : "less",
                                  format_quantity(rule_.threshold, figure_->unit)));
}

void RuleReader::read_selection() {
  field("targets", TextsSlot{&rule_.targets});
  field("types", TextsSlot{&rule_.types});
  if (rule_.types.empty() || figure_ == nullptr || find_type_field(figure_->name) != nullptr) return;
  std::vector<std::string_view> has;
  has.reserve(type_fields().size());
  for (const TypeField& each : type_fields()) {
    if (!each.name.starts_with("waits.")) has.emplace_back(each.name);
  }
  reader_.cross_fault({key("types")},
                      fmt::format("found types with {}, which only the target as a whole has, expected a condition on "
                                  "one of {}, waits.CLASS_share",
                                  figure_->name, fmt::join(has, ", ")));
}

void RuleReader::read_labels_of_rule() {
  read_labels(reader_, table_, prefix_, rule_.labels);
  for (const char* ours : {"alertname", "arm", "metric", "rule", "severity"}) {
    if (rule_.labels.count(ours) == 0) continue;
    reader_.cross_fault({key(std::string("labels.") + ours)},
                        "found this name, expected one that alerts do not carry anyway (alertname, arm, metric, rule, "
                        "severity)");
  }
}

ReadRule RuleReader::read() {
  reader_.check_keys(table_, prefix_, kKeys);
  read_identity();
  read_condition();
  read_threshold();
  read_times();
  check_clear();
  read_selection();
  read_labels_of_rule();
  return std::move(out_);
}

}  // namespace

ReadRule read_rule(Reader& reader, const toml::table& table, const std::string& prefix) {
  return RuleReader(reader, table, prefix).read();
}

}  // namespace outrider
