#include "userspace/config/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "userspace/base/units.h"
#include "userspace/config/text_rules.h"
#include "userspace/model/tiers.h"

namespace outrider {
namespace {

void check_tiers(Reader& reader, const StoreConfig& store) {
  if (store.tiers.empty() && !store.enabled) return;
  std::vector<Tier> tiers;
  for (const StoreTier& tier : store.tiers) {
    if (tier.step.count() == 0 || tier.keep.count() == 0) return;  // a fault already
    tiers.push_back({tier.step.count(), tier.keep.count()});
  }
  if (const auto fault = tiers_fault(tiers)) reader.cross_fault({"store.tiers"}, *fault);
}

void check_retention(Reader& reader, const Config& config) {
  const auto& tiers = config.store.tiers;
  const auto no_value = [](const StoreTier& tier) { return tier.keep.count() == 0; };
  if (tiers.empty() || std::any_of(tiers.begin(), tiers.end(), no_value)) return;
  const auto longest = std::max_element(tiers.begin(), tiers.end(), [](const StoreTier& a, const StoreTier& b) {
                         return a.keep < b.keep;
                       })->keep;
  if (config.store.enabled && longest < config.metrics_retention) {
    reader.cross_fault({"agent.metrics_retention", "store.tiers"},
                       fmt::format("found {}, expected no more than the longest tier of the store keeps ({})",
                                   format_duration(config.metrics_retention), format_duration(longest)));
  }
  if (config.chart_time_window > config.metrics_retention) {
    reader.cross_fault(
        {"dashboard.chart_time_window", "agent.metrics_retention"},
        fmt::format("found a chart window of {}, expected no more than metrics_retention ({})",
                    format_duration(config.chart_time_window), format_duration(config.metrics_retention)));
  }
}

void check_http(Reader& reader, const HttpConfig& http) {
  if (http.basic_user.empty() != http.basic_password_file.empty()) {
    reader.cross_fault({"http.basic_user", "http.basic_password_file"},
                       "found one without the other, expected both basic_user and basic_password_file or neither");
  }
  const bool guarded = !http.bearer_token_file.empty() || !http.basic_password_file.empty();
  if (!http.enabled || guarded || http.allow_unauthenticated || is_loopback(http.address)) return;
  reader.cross_fault(
      {"http.address", "http.bearer_token_file", "http.basic_password_file", "http.allow_unauthenticated"},
      fmt::format(
          "found \"{}\", which others can reach, without authentication; expected bearer_token_file, basic_user "
          "with basic_password_file, or allow_unauthenticated = true",
          http.address));
}

void check_influxdb(Reader& reader, const ExportConfig::Influxdb& influxdb) {
  const auto needs = [&](const std::string& value, const char* key) {
    if (!value.empty()) return;
    reader.cross_fault({std::string("export.influxdb.") + key, "export.influxdb.url", "export.influxdb.version"},
                       fmt::format("found none, expected one for version {}", influxdb.version));
  };
  if (!influxdb.url.empty() && influxdb.version == 1) needs(influxdb.database, "database");
  if (!influxdb.url.empty() && influxdb.version == 2) {
    needs(influxdb.org, "org");
    needs(influxdb.bucket, "bucket");
    needs(influxdb.token_file, "token_file");
  }
  if (influxdb.queue < influxdb.batch) {
    reader.cross_fault(
        {"export.influxdb.queue", "export.influxdb.batch"},
        fmt::format("found a queue of {} points, expected at least one batch ({})", influxdb.queue, influxdb.batch));
  }
}

void check_exports(Reader& reader, const Config& config) {
  if (config.export_format == "prometheus" && !config.export_prometheus) {
    reader.cross_fault({"export.export_format", "export.export_prometheus"},
                       "found \"prometheus\" while export_prometheus is false, expected true");
  }
  const ExportConfig& exports = config.exports;
  std::vector<std::pair<std::string, std::string>> files = {{"export.textfile.path", exports.textfile.path},
                                                            {"export.json.path", exports.json.path},
                                                            {"export.influxdb.file", exports.influxdb.file}};
  if (config.store.enabled) files.emplace_back("store.path", config.store.path);
  for (auto one = files.begin(); one != files.end(); ++one) {
    for (auto other = files.begin(); other != one; ++other) {
      if (one->second.empty() || one->second != other->second) continue;
      reader.cross_fault({one->first, other->first},
                         fmt::format("found the same file as {}, expected one of its own", other->first));
    }
  }
}

void check_alerts(Reader& reader, const AlertsConfig& alerts) {
  for (const std::string& file : alerts.rule_files) {
    if (const char* expected = absolute_path(file)) {
      reader.cross_fault({"alerts.rules"}, fmt::format("found \"{}\", expected {}", file, expected));
    }
  }
}

void check_objective(Reader& reader, const char* key, double share) {
  if (share > 0 && share < 1) return;
  reader.cross_fault({key}, "found no error budget or no objective, expected more than 0% and less than 100%");
}

}  // namespace

void check_together(Reader& reader, const Config& config) {
  check_tiers(reader, config.store);
  check_retention(reader, config);
  check_http(reader, config.http);
  check_influxdb(reader, config.exports.influxdb);
  check_exports(reader, config);
  check_alerts(reader, config.alerts);
  check_objective(reader, "availability.objective", config.availability.objective);
  check_objective(reader, "availability.latency_share", config.availability.latency_share);
}

}  // namespace outrider
