// What the agent says of itself: what it costs, whether it keeps time, what its exports and its history do. Plain data,
// not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/alert_status.h"
#include "userspace/model/histogram.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// What became of the points of a sink that keeps a queue of its own; each but `queued` only grows.
struct PointCounters {
  std::uint64_t sent = 0;
  std::uint64_t rejected = 0;  ///< refused by the receiver for good
  std::uint64_t dropped = 0;   ///< the oldest, when the queue was full, and those left at the end
  std::uint64_t queued = 0;    ///< now
};

/// In intervals; each but `queued` only grows.
struct SinkCounters {
  std::string name;
  std::uint64_t written = 0;
  std::uint64_t failed = 0;   ///< the sink lost it, wholly or in part; what waits to be sent again is no loss
  std::uint64_t dropped = 0;  ///< never given to the sink: the queue was full, or the time to stop was over
  std::uint64_t queued = 0;   ///< now
  bool failing = false;       ///< the newest write failed, be it that nothing is lost
  std::string last_error;     ///< of the newest failure; empty if there was none
  std::optional<PointCounters> points;
};

/// What the history store has done and failed to do since it was opened.
struct StoreCounters {
  std::uint64_t written_points = 0;
  std::uint64_t dropped_points = 0;  ///< the queue was full
  std::uint64_t late_points = 0;     ///< older than the finest tier reaches
  std::uint64_t failed_writes = 0;   ///< batches that were not written at the first attempt, each attempt counted
  std::uint64_t corrupt_files = 0;   ///< moved aside
  std::uint64_t trims = 0;           ///< times that the size limit cost the oldest history
  std::size_t queued_points = 0;
  std::int64_t file_bytes = 0;    ///< with the write-ahead log
  double last_write_seconds = 0;  ///< how long the last batch took
  std::string error;              ///< why the last attempt failed; empty: it did not
};

/// What the engine says it has counted against what was seen, since an audit's first reading.
struct AuditComparison {
  std::int64_t since_ms = 0;         ///< Unix time of that reading
  std::int64_t compared_ms = 0;      ///< of the newest one
  std::uint64_t engine_queries = 0;  ///< that the engine counted in between
  /// Queries that the engine counted and nobody saw; negative: seen, and not counted by the engine. Of all numbers that
  /// may be true, for the two are never read at one moment, the one nearest to 0.
  std::int64_t difference = 0;
  std::uint64_t uncertainty = 0;  ///< the true one is no farther from it
};

struct AuditState {
  std::uint64_t readings = 0, failed_readings = 0;  ///< of the engine
  std::uint64_t restarts = 0;                       ///< times that the comparison began anew
  std::string error;                                ///< why there is nothing to compare now; empty: there is
  std::optional<AuditComparison> comparison;        ///< none: there is nothing to compare yet
};

/// A target of the configuration, watched or not.
struct TargetState {
  std::string name;
  std::string found_by;  ///< pid, exe, name, unit, cgroup
  std::string value;
  std::map<std::string, std::string> labels;
  double interval_seconds = 0;
  std::string profile;   ///< empty: none yet
  std::string build_id;  ///< of its newest program; empty: not known
  std::uint64_t processes = 0;
  std::optional<std::uint64_t> handle_limit;  ///< open files that it may have; none: several processes, or not known
  bool attached = false;
  std::string error;  ///< why it is not attached; empty: it is, or nothing of it runs
  Availability availability;
  double availability_objective = 0;  ///< 0..1
  std::optional<AuditState> audit;    ///< none: nobody asked for one
};

struct AgentFigures {
  std::string version;
  double uptime_seconds = 0;
  double cpu_seconds = 0;  ///< used since the start
  std::optional<std::uint64_t> resident_bytes;
  std::uint64_t map_bytes = 0;  ///< of the kernel maps, which are no part of the former
  double trap_seconds = 0;      ///< what a probe hit costs on this machine

  std::uint64_t intervals = 0;         ///< readings that were due and taken
  std::uint64_t missed_intervals = 0;  ///< due, and taken together with a later one
  SparseHistogram lag;                 ///< of readings, after they were due, since the start
  double lag_seconds = 0;              ///< the sum
  std::optional<double> lag_p99_seconds;
  std::optional<double> reading_seconds;  ///< the last round: reading, computing, handing on
  double reading_seconds_total = 0;

  std::string reading_error;  ///< why the last reading failed; empty: it did not

  std::uint64_t reloads = 0, failed_reloads = 0;
  std::vector<TargetState> targets;
  std::vector<SinkCounters> sinks;
  std::shared_ptr<const AlertStatus> alerts;  ///< null: alerting is off, or has not begun
  std::optional<StoreCounters> store;         ///< none: switched off
  std::map<std::string, std::uint64_t> http;  ///< by what happened; empty: switched off
  std::string http_error;                     ///< why it does not serve where it should; empty: it does, or shall not
};

}  // namespace outrider
