// The configuration of `outrider run`, as read from TOML with every default filled in. Plain data; comparing two tells
// a reload what changed. Who acts on it translates it into its own options: this module knows no agent, kernel or
// export. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/health.h"
#include "userspace/model/rule.h"

namespace outrider {

struct TargetConfig {
  enum class By { kPid, kExe, kName, kUnit, kCgroup };
  By by = By::kPid;
  std::string value;    ///< a PID in decimal, a path, a process's name, a unit with its suffix, a cgroup's path
  std::string name;     ///< what every output calls it; unique
  std::string profile;  ///< a built-in profile's name or a file; empty: picked by the engine's probes
  std::map<std::string, std::string> labels;
  std::optional<std::chrono::milliseconds> interval;  ///< none: Config::collection_interval
  std::string mode = "auto";                          ///< auto, full, light
  std::optional<double> max_overhead_percent = 3;     ///< none: no budget. Already filled in from [agent]
  std::string query_text = "off";                     ///< off, normalised (what its type says), raw
  std::string types = "statement";                    ///< keyword, statement
  std::string types_by = "off";                       ///< off, database, user, both
  bool allow_library_returns = false;                 ///< see returns_refused()
  std::string audit{};                                ///< what make_engine_counter() takes; empty: none

  bool operator==(const TargetConfig&) const = default;
};

struct StoreTier {
  std::chrono::milliseconds step{};  ///< one point each
  std::chrono::milliseconds keep{};
  bool operator==(const StoreTier&) const = default;
};

struct StoreConfig {
  bool enabled = true;
  std::string path = "/var/lib/outrider/history.db";
  std::uint64_t max_bytes = 2ULL << 30;
  /// Finest first; each step a multiple of the one before. Unless the file has tiers, the second keeps what
  /// `metrics_retention` says.
  std::vector<StoreTier> tiers = {{std::chrono::seconds(1), std::chrono::hours(1)},
                                  {std::chrono::seconds(10), std::chrono::hours(24)},
                                  {std::chrono::minutes(1), std::chrono::hours(24 * 30)}};
  bool operator==(const StoreConfig&) const = default;
};

struct HealthConfig {
  HealthThresholds thresholds;
  bool operator==(const HealthConfig& other) const;
};

struct AvailabilityConfig {
  double objective = 0.999;                         ///< 0..1, below 1
  std::chrono::milliseconds stalled_after{30'000};  ///< queries in flight, and none ended for this long
  std::chrono::milliseconds latency_objective{0};   ///< queries should not take longer; 0: there is no such objective
  double latency_share = 0.99;                      ///< 0..1, below 1, of the queries that should keep it
  bool operator==(const AvailabilityConfig&) const = default;
};

/// An empty path or URL switches the sink off.
struct ExportConfig {
  struct Textfile {
    std::string path;                 ///< ends in .prom
    std::string buckets = "default";  ///< default: at most 40 `le`; fine: every used one
    bool operator==(const Textfile&) const = default;
  };
  struct Json {
    std::string path;  ///< "-": stdout
    bool operator==(const Json&) const = default;
  };
  struct Influxdb {
    std::string url;  ///< http:// or https://
    std::uint32_t version = 1;
    std::string database = "outrider";  ///< version 1
    std::string org;                    ///< version 2
    std::string bucket = "outrider";    ///< version 2
    std::string token_file;
    std::string ca_file;                     ///< PEM; empty: the certificates that the system trusts
    std::uint32_t batch = 5'000;             ///< points a request
    std::uint32_t queue = 100'000;           ///< points that wait for a server that is away
    std::uint64_t queue_bytes = 16U << 20U;  ///< and their size: `queue_size` in the file
    std::string file;                        ///< line protocol, appended
    bool operator==(const Influxdb&) const = default;
  };
  std::string prefix = "llmkg";  ///< namespace of all metric names
  Textfile textfile;
  Json json;
  Influxdb influxdb;
  bool operator==(const ExportConfig&) const = default;
};

struct HttpConfig {
  bool enabled = true;
  std::string address = "127.0.0.1";  ///< numeric IPv4 or IPv6
  std::uint32_t port = 9717;          ///< 0: any free one
  std::string bearer_token_file;
  std::string basic_user;
  std::string basic_password_file;
  bool allow_unauthenticated = false;
  std::vector<std::string> allowed_hosts;  ///< further values of the Host header
  bool operator==(const HttpConfig&) const = default;
};

/// Where alerts go. Which of the values mean something depends on the type.
struct ChannelConfig {
  std::string type = "log";                     ///< log, exec, webhook, alertmanager, file, mail
  std::string name = "log";                     ///< unique
  std::string severity = "info";                ///< the least severe that is told: info, warning, critical, emergency
  std::chrono::milliseconds group_wait{1'000};  ///< what comes so soon after the first is told with it
  std::chrono::milliseconds repeat_interval{};  ///< what goes on is told again; 0: never
  std::chrono::milliseconds give_up_after{};    ///< an older notice is of no use any more
  std::chrono::milliseconds timeout{10'000};    ///< of one attempt
  std::uint32_t queue = 10'000;                 ///< notices that wait for a receiver that is away
  std::vector<std::string> command;             ///< exec: an absolute path and its arguments
  std::string url;                              ///< webhook, alertmanager: http:// or https://
  std::string bearer_token_file;                ///< webhook, alertmanager
  std::string ca_file;                          ///< webhook, alertmanager: PEM
  std::string path;                             ///< file; "-": stdout
  std::vector<std::string> to;                  ///< mail
  std::string from;                             ///< mail; empty: sendmail's own
  std::string sendmail = "/usr/sbin/sendmail";  ///< mail
  bool operator==(const ChannelConfig&) const = default;

  /// With the defaults of `type`; its name is its type.
  static ChannelConfig of_type(const std::string& type);
};

struct AlertsConfig {
  std::vector<ChannelConfig> channels = {ChannelConfig::of_type("log")};
  std::vector<std::string> rule_files;  ///< `rules` in the file; empty: the default rules
  std::vector<Rule> rules;              ///< what those files say; empty if nobody has read them
  std::string detector = "default";     ///< default, zscore, none
  std::string silences = "/var/lib/outrider/silences.json";
  bool operator==(const AlertsConfig&) const = default;
};

struct LogConfig {
  std::string level = "info";   ///< debug, info, warning, error, off
  std::string format = "auto";  ///< auto, text, json, journald
  bool operator==(const LogConfig&) const = default;
};

struct Config {
  std::chrono::milliseconds collection_interval{1'000};
  std::chrono::milliseconds metrics_retention = std::chrono::hours(24);
  bool enable_alerting = true;
  bool enable_anomaly_detection = true;
  std::optional<double> max_overhead_percent = 3;     ///< of each target's CPU; none: no budget
  std::chrono::milliseconds in_flight_after{10'000};  ///< queries in flight for so long are listed one by one
  std::chrono::milliseconds audit_interval{60'000};   ///< how often engines are asked what they have counted

  std::chrono::milliseconds dashboard_update_interval{5'000};
  std::chrono::milliseconds chart_time_window = std::chrono::hours(1);
  bool enable_real_time = true;

  bool export_prometheus = false;      ///< serve /metrics
  std::string export_format = "json";  ///< json, prometheus, influxdb: where a request does not say which

  std::vector<TargetConfig> targets;
  StoreConfig store;
  HealthConfig health;
  AvailabilityConfig availability;
  ExportConfig exports;
  AlertsConfig alerts;
  HttpConfig http;
  LogConfig log;

  bool operator==(const Config&) const = default;
};

/// The file's word for how a target is found: pid, exe, name, unit, cgroup.
const char* key_of(TargetConfig::By by);

/// 127.0.0.0/8 or ::1. `address` is numeric.
bool is_loopback(const std::string& address);

}  // namespace outrider
