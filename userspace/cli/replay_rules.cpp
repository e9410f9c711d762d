#include "userspace/cli/replay_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "userspace/alerts/rule_plan.h"
#include "userspace/cli/snapshot_figures.h"
#include "userspace/model/metric.h"
#include "userspace/model/snapshot_fields.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

/// A file without rates does not say how many queries there were; its figures are taken for true.
constexpr std::uint64_t kEnoughQueries = 1'000'000;
/// What a file's figures are of, which have no target's name.
constexpr const char* kFileTarget = "replay";
/// No comparison finds it beyond anything.
constexpr double kNoFigure = std::numeric_limits<double>::quiet_NaN();

using FileFigures = std::array<std::pair<const char*, std::optional<double>>, 12>;

/// What the columns are in a snapshot. Of a CPU and of memory a file does not say whether they are the host's.
FileFigures figures_of(const RecordedRow& row) {
  const DetectorSample& sample = row.sample;
  return {{{"query_metrics.avg_response_time_seconds", sample.avg_response_time_seconds},
           {"query_metrics.p95_response_time_seconds", sample.p95_response_time_seconds},
           {"query_metrics.error_rate", sample.error_rate},
           {"query_metrics.queries_per_second", sample.queries_per_second},
           {"query_metrics.current_concurrent", row.current_concurrent},
           {"cache_metrics.hit_rate", sample.cache_hit_rate},
           {"system_metrics.cpu_usage", sample.cpu_usage},
           {"target_metrics.cpu_usage", sample.cpu_usage},
           {"system_metrics.memory_usage", row.memory_usage},
           {"target_metrics.memory_usage", row.memory_usage},
           {"system_metrics.memory_used_mb", sample.memory_used_mb},
           {"target_metrics.memory_used_mb", sample.memory_used_mb}}};
}

bool has(const FileFigures& figures, const std::string& name) {
  return std::any_of(figures.begin(), figures.end(),
                     [&](const auto& figure) { return name == figure.first && figure.second; });
}

/// Why no figure of `target` could ever judge the rule; empty: one can.
std::string obstacle_of(const Rule& rule, const std::string& target, bool of_history) {
  if (!rule.targets.empty() && !matches_any(rule.targets, target)) {
    return of_history ? fmt::format("its targets do not match {}", target)
                      : fmt::format("a file names no target, and its targets do not match \"{}\" either", target);
  }
  if (!rule.types.empty()) return "it is about query types, and only the target as a whole is replayed";
  if (of_history && find_metric(rule.condition.field) == nullptr) {
    return fmt::format("{} is not kept in history", rule.condition.field);
  }
  return "";
}

template <typename T>
void set_optional(std::optional<T>& figure, std::optional<double> value) {
  if (!value) return;
  if constexpr (std::is_integral_v<T>) {
    figure = static_cast<T>(std::llround(*value));
  } else {
    figure = *value;
  }
}

std::optional<WaitSeconds> waits_of(const Point& step) {
  WaitSeconds waits{};
  for (std::size_t i = 0; i < waits.size(); ++i) {
    const auto seconds = metric_value(step, fmt::format("query_metrics.waits.{}_seconds", kWaitNames[i]));
    if (!seconds) return std::nullopt;
    waits[i] = *seconds;
  }
  return waits;
}

/// The snapshot that the step would have been, with those of its figures that are `wanted`: there are many, and a day
/// has 86,400 steps.
Snapshot snapshot_of(const Point& step, const std::set<std::string>& wanted) {
  Snapshot snapshot;
  QueryMetrics& queries = snapshot.query_metrics;
  const auto setter = [&](const char* prefix) {
    return [&, prefix](const char* name, auto& figure) {
      const std::string full = fmt::format("{}{}", prefix, name);
      if (wanted.contains(full)) set_optional(figure, metric_value(step, full));
    };
  };
  for_each_query_figure(queries, setter("query_metrics."));
  for_each_resource(snapshot.system_metrics, false, setter("system_metrics."));
  for_each_resource(snapshot.target_metrics, true, setter("target_metrics."));
  const auto is_wait = [](const std::string& name) { return name.starts_with("waits."); };
  if (std::any_of(wanted.begin(), wanted.end(), is_wait)) queries.waits = waits_of(step);
  const auto rate = metric_value(step, "query_metrics.queries_per_second");
  queries.queries_per_second = rate.value_or(kNoFigure);
  // As a snapshot has it, for the whole interval where the probes were off in part of it.
  queries.interval_queries = static_cast<std::uint64_t>(std::llround(rate.value_or(0) * step.seconds));
  snapshot.cache_metrics.hit_rate = metric_value(step, "cache_metrics.hit_rate");
  snapshot.health_score = metric_value(step, "health_score").value_or(kNoFigure);
  snapshot.overhead.percent_of_target_cpu = metric_value(step, "overhead.percent_of_target_cpu");
  // That no probe saw anything is no missing figure where there was none.
  if (!(step.watched_seconds > 0)) snapshot.overhead.mode = "paused";
  return snapshot;
}

}  // namespace

RuleReplay::RuleReplay(std::vector<Rule> rules) : target_(kFileTarget) { add(std::move(rules), false); }

RuleReplay::RuleReplay(std::vector<Rule> rules, std::string target) : target_(std::move(target)) {
  add(std::move(rules), true);
  std::vector<Notice> none;
  set_rules(0, none);
}

void RuleReplay::add(std::vector<Rule> rules, bool of_history) {
  entries_.reserve(rules.size());
  for (Rule& rule : rules) {
    Entry entry{{}, obstacle_of(rule, target_, of_history), false};
    if (entry.obstacle.empty() && of_history) figures_.insert(rule.condition.field);
    if (entry.obstacle.empty() && !of_history) {
      entry.obstacle = fmt::format("no row has {}", rule.condition.field);
      entry.awaited = true;
    }
    entry.rule = std::move(rule);
    entries_.push_back(std::move(entry));
  }
}

// Alerts of the rules that were judged before go on.
void RuleReplay::set_rules(std::int64_t now_ms, std::vector<Notice>& notices) {
  std::vector<Rule> judged;
  judged.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    if (entry.obstacle.empty()) judged.push_back(entry.rule);
  }
  book_.set_rules(std::move(judged), now_ms, notices);
}

void RuleReplay::observe(const RecordedRow& row, std::vector<Notice>& notices) {
  const DetectorSample& sample = row.sample;
  const double passed = last_ms_ ? static_cast<double>(sample.time_ms - *last_ms_) / 1000 : sample.seconds;
  last_ms_ = sample.time_ms;
  Snapshot snapshot;
  snapshot.target = target_;
  snapshot.timestamp_ms = sample.time_ms;
  snapshot.interval_seconds = passed > 0 ? passed : sample.seconds;
  const FileFigures figures = figures_of(row);
  for (const auto& [name, value] : figures) set_figure(snapshot, name, value);
  if (!sample.queries_per_second) snapshot.query_metrics.queries_per_second = kNoFigure;
  snapshot.query_metrics.interval_queries =
      sample.queries_per_second
          ? static_cast<std::uint64_t>(std::llround(*sample.queries_per_second * snapshot.interval_seconds))
          : kEnoughQueries;
  bool more = false;
  for (Entry& entry : entries_) {
    if (!entry.awaited || !has(figures, entry.rule.condition.field)) continue;
    entry.obstacle.clear();
    entry.awaited = false;
    more = true;
  }
  if (more) set_rules(sample.time_ms, notices);
  book_.observe(snapshot, notices);
}

void RuleReplay::observe(const Point& step, std::vector<Notice>& notices) {
  Snapshot snapshot = snapshot_of(step, figures_);
  snapshot.target = target_;
  snapshot.timestamp_ms = step.begin_ms + step.length_ms;
  snapshot.interval_seconds = static_cast<double>(step.length_ms) / 1000;
  book_.observe(snapshot, notices);
}

std::vector<std::string> RuleReplay::not_judged() const {
  std::vector<std::string> lines;
  lines.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    if (!entry.obstacle.empty()) lines.push_back(fmt::format("{}: {}", entry.rule.name, entry.obstacle));
  }
  return lines;
}

const char* event_name(const Notice& notice) { return notice.what == Notice::What::kResolved ? "close" : "open"; }

Json to_json(const Notice& notice, const std::string& at) {
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  Notice judged = notice;
  judged.expected = notice.threshold;
  return {{"at", at},
          {"event", event_name(notice)},
          {"rule", notice.name},
          {"metric", notice.metric},
          {"value", number(notice.value)},
          {"expected", number(notice.threshold)},
          {"effect_percent", number(judged.effect_percent())},
          {"text", notice.text}};
}

}  // namespace outrider
