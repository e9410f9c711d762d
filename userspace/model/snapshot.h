// One interval of one target as every output sees it: the fields, names and units of the snapshot. A figure that
// cannot be had is std::nullopt, and `losses.unavailable` says why. Plain data, not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/model/counters.h"
#include "userspace/model/histogram.h"
#include "userspace/model/single_query.h"

namespace outrider {

/// Half the width of a histogram bucket over its lower edge: the bound on each percentile's relative error.
inline constexpr double kPercentileError = 0.016;

/// Seconds by wait class, summed over the queries of the interval; they add up to their wall time.
using WaitSeconds = std::array<double, OUTRIDER_WAIT_CLASSES>;

struct TypeMetrics {
  std::uint64_t count = 0;      ///< since attach
  std::uint64_t failed = 0;     ///< since attach
  std::uint64_t abandoned = 0;  ///< since attach
  std::uint64_t interval_count = 0;
  double queries_per_second = 0;
  std::optional<double> avg_response_time_seconds, p50_response_time_seconds, p95_response_time_seconds,
      p99_response_time_seconds;
  std::optional<double> success_rate;            ///< 0..1
  std::optional<double> cache_hit_rate;          ///< 0..1
  std::optional<WaitSeconds> waits;              ///< none in light mode
  std::optional<WaitSeconds> waits_total;        ///< since attach; none if no query was ever followed from its start
  double duration_seconds_total = 0;             ///< since attach
  std::shared_ptr<const std::string> statement;  ///< what it says without its data; none: the type is no statement
  std::shared_ptr<const ClientSession> session;  ///< whose queries alone are of the type; none: anybody's
  SparseHistogram histogram_total;               ///< since attach, for exports; as seen, never extrapolated
};

struct PhaseMetrics {
  std::uint64_t count = 0;        ///< in the interval
  double seconds = 0;             ///< in the interval, summed
  std::uint64_t total_count = 0;  ///< since attach
  double total_seconds = 0;       ///< since attach, summed
  bool probed = true;             ///< false: nobody looked in this interval, `count` and `seconds` mean nothing
};

/// Time that queries of `type` waited for a lock, a condition or another process until a query of `blocked_by` woke
/// them.
struct Blocking {
  std::string type, blocked_by;  ///< the second one may be empty: none of the target's queries did
  std::string wait;              ///< lock, sync, ipc
  std::uint64_t count = 0;
  double seconds = 0;
  std::optional<double> share;  ///< 0..1 of the time of the type's queries that ended in the interval
};

struct QueryMetrics {
  std::uint64_t total_queries = 0, successful_queries = 0, failed_queries = 0, abandoned_queries = 0;
  std::uint64_t interval_queries = 0;
  double queries_per_second = 0;
  std::optional<double> queries_per_second_5m;
  std::optional<double> success_rate, error_rate;  ///< 0..1 over the interval
  std::optional<double> avg_response_time_seconds, p50_response_time_seconds, p95_response_time_seconds,
      p99_response_time_seconds, p999_response_time_seconds, max_response_time_seconds;
  std::optional<double> avg_processing_time_seconds;
  std::optional<std::int64_t> current_concurrent, peak_concurrent;
  std::optional<double> oldest_in_flight_seconds;
  std::optional<WaitSeconds> waits;
  std::map<std::string, TypeMetrics> query_type_breakdown;
  SparseHistogram given_up_histogram;  ///< since attach, of types that made room for others; not exported
  std::map<std::string, PhaseMetrics> phases;
  std::vector<Blocking> blocking;  ///< the ten that took most time in the interval, the longest first
};

/// Figures of the host (`system_metrics`) or of the target (`target_metrics`).
struct ResourceMetrics {
  std::optional<double> cpu_usage;                        ///< percent 0..100
  std::optional<double> cpu_steal;                        ///< host: percent 0..100, taken by other virtual machines
  std::optional<double> cpu_cores;                        ///< target: cores used
  std::optional<double> throttled_seconds;                ///< target: in the interval
  std::optional<double> memory_usage;                     ///< 0..1
  std::optional<double> memory_total_mb, memory_used_mb;  ///< MiB
  std::optional<double> rss_mb;                           ///< target, MiB
  std::optional<double> page_faults_per_second;
  std::optional<double> disk_usage;                    ///< 0..1
  std::optional<double> disk_read_mb, disk_write_mb;   ///< MiB in the interval
  std::optional<double> network_rx_mb, network_tx_mb;  ///< MiB in the interval
  std::optional<std::uint64_t> thread_count, handle_count;
  std::optional<double> uptime_seconds;
};

/// What one reading of the host or of a target gave, with "field: reason" for each figure it could not have.
struct ResourceSample {
  ResourceMetrics metrics;
  std::vector<std::string> unavailable;
  std::optional<double> allowed_cores;  ///< target: what 100 % of `cpu_usage` stands for
};

struct CacheMetrics {
  std::optional<double> hit_rate;      ///< 0..1 over the interval
  std::uint64_t hits = 0, misses = 0;  ///< since attach
  double sampled_share = 1;            ///< share of the interval in which cache probes were attached
};

struct HealthDeduction {
  std::string rule;
  double value = 0;
  double threshold = 0;
  double penalty = 0;
};

/// Whether the target serves, and for what share of the time that the agent saw it did; see availability.h.
struct Availability {
  std::string state;                                     ///< up, stalled, down, unknown
  std::optional<double> ratio_1h, ratio_24h, ratio_30d;  ///< 0..1 of the time that is known
  std::optional<double> error_budget_left;               ///< 0..1 of the down time that 30 days allow
};

struct Overhead {
  std::optional<double> ns_per_query;
  std::optional<double> percent_of_target_cpu;
  std::string mode;          ///< full, light, paused
  double sampled_share = 1;  ///< share of the interval in which query probes were attached
};

struct Losses {
  std::map<std::string, std::uint64_t> counts;  ///< since attach, by reason; every reason is present
  std::vector<std::string> unavailable;         ///< "field: reason"
};

struct Snapshot {
  std::int64_t timestamp_ms = 0;  ///< Unix time, UTC
  std::string target;
  double interval_seconds = 0;
  bool summary = false;    ///< the figures cover the whole run
  bool estimated = false;  ///< totals are estimates: probes ran on a duty cycle
  QueryMetrics query_metrics;
  ResourceMetrics system_metrics;
  ResourceMetrics target_metrics;
  CacheMetrics cache_metrics;
  double health_score = 100;
  std::vector<HealthDeduction> health_deductions;
  std::optional<Availability> availability;  ///< none where nobody keeps it, as in `outrider watch`
  Overhead overhead;
  Losses losses;
};

}  // namespace outrider
