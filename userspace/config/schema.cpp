#include "userspace/config/schema.h"

#include "userspace/config/text_rules.h"

namespace outrider {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kShortestInterval{100};
constexpr milliseconds kLongestInterval = hours(1);
constexpr milliseconds kLongestHistory = hours(24 * 3650);
constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr double kShare = 100;  // kept as 0..1
constexpr double kPercent = 1;

Section agent_section(Config& c) {
  return {"agent",
          {{"collection_interval", DurationSlot{&c.collection_interval, kShortestInterval, kLongestInterval}},
           {"metrics_retention", DurationSlot{&c.metrics_retention, seconds(60), kLongestHistory}},
           {"enable_alerting", FlagSlot{&c.enable_alerting}},
           {"enable_anomaly_detection", FlagSlot{&c.enable_anomaly_detection}},
           {"max_overhead", BudgetSlot{&c.max_overhead_percent}},
           {"in_flight_after", DurationSlot{&c.in_flight_after, milliseconds(100), hours(24)}},
           {"audit_interval", DurationSlot{&c.audit_interval, seconds(1), hours(1)}}}};
}

Section dashboard_section(Config& c) {
  return {"dashboard",
          {{"dashboard_update_interval", DurationSlot{&c.dashboard_update_interval, kShortestInterval, seconds(5)}},
           {"chart_time_window", DurationSlot{&c.chart_time_window, seconds(10), kLongestHistory}},
           {"enable_real_time", FlagSlot{&c.enable_real_time}}}};
}

Section store_section(Config& c) {
  return {"store",
          {{"enabled", FlagSlot{&c.store.enabled}},
           {"path", TextSlot{&c.store.path, absolute_path}},
           {"max_size", SizeSlot{&c.store.max_bytes, 16 * kMiB, std::uint64_t{1024} * 1024 * kMiB}}}};
}

Section health_section(Config& c) {
  HealthThresholds& t = c.health.thresholds;
  const auto penalty = [](HealthRule& rule) { return NumberSlot{&rule.penalty, 0, 100}; };
  return {"health",
          {{"response_time", SecondsSlot{&t.response_time_seconds.threshold}},
           {"response_time_penalty", penalty(t.response_time_seconds)},
           {"error_rate", PercentSlot{&t.error_rate.threshold, kShare}},
           {"error_rate_penalty", penalty(t.error_rate)},
           {"cpu_usage", PercentSlot{&t.cpu_usage.threshold, kPercent}},
           {"cpu_usage_penalty", penalty(t.cpu_usage)},
           {"memory_usage", PercentSlot{&t.memory_usage.threshold, kShare}},
           {"memory_usage_penalty", penalty(t.memory_usage)},
           {"cache_hit_rate", PercentSlot{&t.cache_hit_rate.threshold, kShare}},
           {"cache_hit_rate_penalty", penalty(t.cache_hit_rate)}}};
}

Section availability_section(Config& c) {
  return {"availability",
          {{"objective", PercentSlot{&c.availability.objective, kShare}},
           {"stalled_after", DurationSlot{&c.availability.stalled_after, seconds(1), hours(24)}},
           {"latency_objective", DurationOrOffSlot{&c.availability.latency_objective, milliseconds(1), hours(1)}},
           {"latency_share", PercentSlot{&c.availability.latency_share, kShare}}}};
}

Section influxdb_section(ExportConfig::Influxdb& influxdb) {
  return {"export.influxdb",
          {{"url", TextSlot{&influxdb.url, optional_url, Secret::kUrl}},
           {"version", CountSlot{&influxdb.version, 1, 2}},
           {"database", TextSlot{&influxdb.database, any_text}},
           {"org", TextSlot{&influxdb.org, any_text}},
           {"bucket", TextSlot{&influxdb.bucket, any_text}},
           {"token_file", TextSlot{&influxdb.token_file, optional_path, Secret::kFile}},
           {"ca_file", TextSlot{&influxdb.ca_file, optional_path}},
           {"batch", CountSlot{&influxdb.batch, 1, 100'000}},
           {"queue", CountSlot{&influxdb.queue, 1, 10'000'000}},
           {"queue_size", SizeSlot{&influxdb.queue_bytes, kMiB, 16 * 1024 * kMiB}},
           {"file", TextSlot{&influxdb.file, optional_path}}}};
}

void add_exports(std::vector<Section>& sections, Config& c) {
  ExportConfig& e = c.exports;
  sections.push_back({"export",
                      {{"export_prometheus", FlagSlot{&c.export_prometheus}},
                       {"export_format", ChoiceSlot{&c.export_format, {"json", "prometheus", "influxdb"}}},
                       {"prefix", TextSlot{&e.prefix, metric_prefix}}}});
  sections.push_back({"export.textfile",
                      {{"path", TextSlot{&e.textfile.path, textfile_path}},
                       {"buckets", ChoiceSlot{&e.textfile.buckets, {"default", "fine"}}}}});
  sections.push_back({"export.json", {{"path", TextSlot{&e.json.path, json_path}}}});
  sections.push_back(influxdb_section(e.influxdb));
}

Section alerts_section(AlertsConfig& alerts) {
  return {"alerts",
          {{"rules", TextsSlot{&alerts.rule_files}},
           {"detector", ChoiceSlot{&alerts.detector, {"default", "zscore", "none"}}},
           {"silences", TextSlot{&alerts.silences, absolute_path}}}};
}

Section http_section(HttpConfig& http) {
  return {"http",
          {{"enabled", FlagSlot{&http.enabled}},
           {"address", TextSlot{&http.address, ip_address}},
           {"port", CountSlot{&http.port, 0, 65'535}},
           {"bearer_token_file", TextSlot{&http.bearer_token_file, optional_path, Secret::kFile}},
           {"basic_user", TextSlot{&http.basic_user, basic_user}},
           {"basic_password_file", TextSlot{&http.basic_password_file, optional_path, Secret::kFile}},
           {"allow_unauthenticated", FlagSlot{&http.allow_unauthenticated}},
           {"allowed_hosts", TextsSlot{&http.allowed_hosts}}}};
}

Section log_section(LogConfig& log) {
  return {"log",
          {{"level", ChoiceSlot{&log.level, {"debug", "info", "warning", "error", "off"}}},
           {"format", ChoiceSlot{&log.format, {"text", "json", "journald", "auto"}}}}};
}

}  // namespace

std::vector<Section> config_sections(Config& config) {
  std::vector<Section> sections = {agent_section(config), dashboard_section(config), store_section(config),
                                   health_section(config), availability_section(config)};
  add_exports(sections, config);
  sections.push_back(alerts_section(config.alerts));
  sections.push_back(http_section(config.http));
  sections.push_back(log_section(config.log));
  return sections;
}

std::vector<Field> target_fields(TargetConfig& target) {
  return {{"display_name", TextSlot{&target.name, any_text}},
          {"profile", TextSlot{&target.profile, any_text}},
          {"interval", OptionalDurationSlot{&target.interval, kShortestInterval, kLongestInterval}},
          {"mode", ChoiceSlot{&target.mode, {"auto", "full", "light"}}},
          {"max_overhead", BudgetSlot{&target.max_overhead_percent}},
          {"query_text", ChoiceSlot{&target.query_text, {"off", "normalised", "raw"}}},
          {"types", ChoiceSlot{&target.types, {"keyword", "statement"}}},
          {"types_by", ChoiceSlot{&target.types_by, {"off", "database", "user", "both"}}},
          {"allow_library_returns", FlagSlot{&target.allow_library_returns}},
          {"audit", TextSlot{&target.audit, audit_source, Secret::kUrl}}};
}

std::vector<Field> tier_fields(StoreTier& tier) {
  return {{"step", DurationSlot{&tier.step, kShortestInterval, hours(24)}},
          {"keep", DurationSlot{&tier.keep, seconds(1), kLongestHistory}}};
}

const char* key_of(TargetConfig::By by) {
  switch (by) {
    case TargetConfig::By::kPid:
      return "pid";
    case TargetConfig::By::kExe:
      return "exe";
    case TargetConfig::By::kName:
      return "name";
    case TargetConfig::By::kUnit:
      return "unit";
    case TargetConfig::By::kCgroup:
      return "cgroup";
  }
  return "";
}

bool HealthConfig::operator==(const HealthConfig& other) const {
  const auto same = [](const HealthRule& a, const HealthRule& b) {
    return a.threshold == b.threshold && a.penalty == b.penalty;
  };
  const HealthThresholds& a = thresholds;
  const HealthThresholds& b = other.thresholds;
  return same(a.response_time_seconds, b.response_time_seconds) && same(a.error_rate, b.error_rate) &&
         same(a.cpu_usage, b.cpu_usage) && same(a.memory_usage, b.memory_usage) &&
         same(a.cache_hit_rate, b.cache_hit_rate);
}

}  // namespace outrider
