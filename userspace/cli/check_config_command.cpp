#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "userspace/base/units.h"
#include "userspace/cli/commands.h"
#include "userspace/config/load.h"
#include "userspace/http/url.h"

namespace outrider {
namespace {

struct CheckArguments {
  std::string file;
  bool print = false;
};

std::string budget(const std::optional<double>& percent) {
  return percent ? fmt::format("{:g}%", *percent) : std::string("off");
}

void print_targets(const Config& config) {
  if (config.targets.empty()) fmt::print("targets: none; add a [[targets]] table\n");
  for (const TargetConfig& target : config.targets) {
    fmt::print("target {}: {} {}, every {}, mode {}, at most {} overhead, profile {}\n", target.name, key_of(target.by),
               target.value, format_duration(target.interval.value_or(config.collection_interval)), target.mode,
               budget(target.max_overhead_percent), target.profile.empty() ? "auto" : target.profile);
  }
}

void print_store(const StoreConfig& store) {
  if (!store.enabled) {
    fmt::print("store: off\n");
    return;
  }
  fmt::print("store: {}, at most {}", store.path, format_size(store.max_bytes));
  for (const StoreTier& tier : store.tiers) {
    fmt::print(", {} points for {}", format_duration(tier.step), format_duration(tier.keep));
  }
  fmt::print("\n");
}

void print_exports(const Config& config) {
  const ExportConfig& exports = config.exports;
  const auto line = [](const char* sink, const std::string& where) {
    if (!where.empty()) fmt::print("export {}: {}\n", sink, where);
  };
  if (config.export_prometheus && config.http.enabled) line("prometheus", "/metrics");
  line("textfile", exports.textfile.path);
  line("json", exports.json.path == "-" ? "stdout" : exports.json.path);
  if (!exports.influxdb.url.empty()) {
    const auto& influxdb = exports.influxdb;
    line("influxdb", fmt::format("{}, version {}, {}", influxdb.url, influxdb.version,
                                 influxdb.version == 1 ? "database " + influxdb.database
                                                       : "bucket " + influxdb.bucket + " of " + influxdb.org));
  }
  line("influxdb file", exports.influxdb.file);
}

/// Where a channel tells: of a URL no more than scheme, host and port, for the rest is often a webhook's secret.
std::string place_of(const ChannelConfig& channel) {
  if (channel.url.empty()) return channel.path;
  const auto url = parse_url(channel.url);
  return url ? url->origin() : "a URL (not shown)";
}

void print_alerts(const Config& config) {
  if (!config.enable_alerting) {
    fmt::print("alerts: off\n");
    return;
  }
  const AlertsConfig& alerts = config.alerts;
  fmt::print("alerts: {} rules from {}", alerts.rules.size(),
             alerts.rule_files.empty() ? "the agent itself" : fmt::format("{}", fmt::join(alerts.rule_files, ", ")));
  fmt::print(", detector {}\n", config.enable_anomaly_detection ? alerts.detector : "none");
  if (alerts.channels.empty()) fmt::print("alerts are told to nobody: add a [[alerts.channels]] table\n");
  for (const ChannelConfig& channel : alerts.channels) {
    const std::string where = place_of(channel);
    fmt::print("alert channel {}: {}{}{}, severity {} and above\n", channel.name, channel.type,
               where.empty() ? "" : " to ", where, channel.severity);
  }
}

void print_http(const HttpConfig& http) {
  if (!http.enabled) {
    fmt::print("http: off\n");
    return;
  }
  const bool six = http.address.find(':') != std::string::npos;
  std::string guard;
  if (!http.bearer_token_file.empty()) guard = "bearer token";
  if (!http.basic_user.empty()) guard += (guard.empty() ? "" : " or ") + ("basic authentication as " + http.basic_user);
  if (guard.empty()) guard = "no authentication";
  const std::string port = http.port == 0 ? "any free port" : std::to_string(http.port);
  fmt::print("http: {}{}{}:{}, {}{}\n", six ? "[" : "", http.address, six ? "]" : "", port, guard,
             is_loopback(http.address) ? "" : ", reachable from other hosts");
}

int check_config(const CheckArguments& arguments) {
  const Result<Config> config = load_config(arguments.file);
  if (!config) {
    fmt::print(stderr, "{}\n", config.error().message);
    return kExitUsage;
  }
  if (arguments.print) {
    fmt::print("{}", to_toml(*config));
  } else {
    print_targets(*config);
    print_store(config->store);
    print_exports(*config);
    print_alerts(*config);
    print_http(config->http);
  }
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return EXIT_SUCCESS;
  fmt::print(stderr, "{}\n", Error::from_errno(errno, "stdout cannot be written").message);
  return kExitFailure;
}

}  // namespace

Command add_check_config_command(CLI::App& app) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* command = app.add_subcommand("check-config", "Say whether a configuration file is right, and what it does");
  command->add_option("file", arguments->file, "The configuration, TOML")->required();
  command->add_flag("--print", arguments->print, "Print every key with the value it has, as TOML");
  command->footer(
      "Prints what is watched, kept and exported; or every error as FILE:LINE:COLUMN: KEY: what is wrong, with exit "
      "code 2.\nExample:  outrider check-config /etc/outrider/outrider.toml");
  return [arguments] { return check_config(*arguments); };
}

}  // namespace outrider
