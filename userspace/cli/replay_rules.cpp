#include "userspace/cli/replay_rules.h"

#include <cmath>
#include <utility>

#include "userspace/cli/snapshot_figures.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

/// A file without rates does not say how many queries there were; its figures are taken for true.
constexpr std::uint64_t kEnoughQueries = 1'000'000;

}  // namespace

RuleReplay::RuleReplay(std::vector<Rule> rules) {
  std::vector<Notice> none;
  book_.set_rules(std::move(rules), 0, none);
}

void RuleReplay::observe(const RecordedRow& row, std::vector<Notice>& notices) {
  const DetectorSample& sample = row.sample;
  const double passed = last_ms_ ? static_cast<double>(sample.time_ms - *last_ms_) / 1000 : sample.seconds;
  last_ms_ = sample.time_ms;
  Snapshot snapshot;
  snapshot.target = "replay";
  snapshot.timestamp_ms = sample.time_ms;
  snapshot.interval_seconds = passed > 0 ? passed : sample.seconds;
  const std::pair<const char*, std::optional<double>> figures[] = {
      {"query_metrics.avg_response_time_seconds", sample.avg_response_time_seconds},
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
      {"target_metrics.memory_used_mb", sample.memory_used_mb}};
  for (const auto& [name, value] : figures) set_figure(snapshot, name, value);
  // A rate that is not there is NaN, which is no breach of any rule.
  if (!sample.queries_per_second) snapshot.query_metrics.queries_per_second = std::nan("");
  snapshot.query_metrics.interval_queries =
      sample.queries_per_second
          ? static_cast<std::uint64_t>(std::llround(*sample.queries_per_second * snapshot.interval_seconds))
          : kEnoughQueries;
  book_.observe(snapshot, notices);
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
