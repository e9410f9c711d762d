// The optional figures of a snapshot by their JSON names, for everything that walks over all of them. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/model/snapshot.h"

namespace outrider {

/// Calls visit(name, optional) for each optional figure of the host or (with `of_target`) of a target, in the
/// order in which they are printed; figures that only the one or the other has are left out of the other. `Metrics` is
/// ResourceMetrics, const or (for a visitor that sets them) not.
template <typename Metrics, typename Visitor>
void for_each_resource(Metrics& metrics, bool of_target, Visitor&& visit) {
  visit("cpu_usage", metrics.cpu_usage);
  if (of_target) {
    visit("cpu_cores", metrics.cpu_cores);
    visit("throttled_seconds", metrics.throttled_seconds);
  } else {
    visit("cpu_steal", metrics.cpu_steal);
  }
  visit("memory_usage", metrics.memory_usage);
  visit("memory_total_mb", metrics.memory_total_mb);
  visit("memory_used_mb", metrics.memory_used_mb);
  if (of_target) {
    visit("rss_mb", metrics.rss_mb);
    visit("page_faults_per_second", metrics.page_faults_per_second);
  }
  visit("disk_usage", metrics.disk_usage);
  visit("disk_read_mb", metrics.disk_read_mb);
  visit("disk_write_mb", metrics.disk_write_mb);
  visit("network_rx_mb", metrics.network_rx_mb);
  visit("network_tx_mb", metrics.network_tx_mb);
  visit("thread_count", metrics.thread_count);
  visit("handle_count", metrics.handle_count);
  visit("uptime_seconds", metrics.uptime_seconds);
}

/// The same for the optional figures of query_metrics but the waits.
template <typename Metrics, typename Visitor>
void for_each_query_figure(Metrics& metrics, Visitor&& visit) {
  visit("queries_per_second_5m", metrics.queries_per_second_5m);
  visit("success_rate", metrics.success_rate);
  visit("error_rate", metrics.error_rate);
  visit("avg_response_time_seconds", metrics.avg_response_time_seconds);
  visit("p50_response_time_seconds", metrics.p50_response_time_seconds);
  visit("p95_response_time_seconds", metrics.p95_response_time_seconds);
  visit("p99_response_time_seconds", metrics.p99_response_time_seconds);
  visit("p999_response_time_seconds", metrics.p999_response_time_seconds);
  visit("max_response_time_seconds", metrics.max_response_time_seconds);
  visit("avg_processing_time_seconds", metrics.avg_processing_time_seconds);
  visit("current_concurrent", metrics.current_concurrent);
  visit("peak_concurrent", metrics.peak_concurrent);
  visit("oldest_in_flight_seconds", metrics.oldest_in_flight_seconds);
}

}  // namespace outrider
