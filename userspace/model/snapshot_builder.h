// Turns two readings of the kernel's counters, and what /proc said, into the snapshot that every output shows.
// Pure but for the timestamp, which the caller gives. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/figures.h"
#include "userspace/model/health.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// Which query probes are attached: start and end, end only, none for now.
enum class ProbeMode { kFull, kLight, kPaused };

/// "full", "light" or "paused".
const char* to_string(ProbeMode mode);

/// The pointers are borrowed for the call.
struct SnapshotInput {
  std::string target;
  std::int64_t timestamp_ms = 0;             ///< Unix time of the current reading
  const TargetCounters* previous = nullptr;  ///< null: all zero, the figures cover everything since attach
  const TargetCounters* current = nullptr;   ///< must be set
  double interval_seconds = 0;               ///< 0: from the readings' times
  /// Totals since attach, the present interval already added. Null: the current counters are the totals, with
  /// nothing extrapolated and histograms that wrap at 2^32. A summary is made of the totals alone.
  const RunningTotals* totals = nullptr;
  bool summary = false;
  ProbeMode mode = ProbeMode::kFull;
  double query_share = 1;  ///< of the interval, 0..1, with query probes attached
  double cache_share = 1;  ///< the same for cache probes
  std::optional<double> queries_per_second_5m;
  std::optional<double> probe_ns_per_query, probe_percent_of_target_cpu;
  ResourceSample host;
  ResourceSample target_resources;
  std::vector<std::string> unavailable;  ///< further reasons, "field: reason"; they come first
  HealthThresholds health;
};

/// Every null in the result has a line "field: reason" in losses.unavailable.
Snapshot build_snapshot(const SnapshotInput& input);

}  // namespace outrider
