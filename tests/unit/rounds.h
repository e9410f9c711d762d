// Rounds of readings for tests of what takes them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "userspace/model/report.h"

namespace outrider {

/// What a target "engine" shows at `number` ms of Unix time.
inline std::vector<Snapshot> interval(std::int64_t number) {
  Snapshot snapshot;
  snapshot.timestamp_ms = number;
  snapshot.target = "engine";
  snapshot.overhead.mode = "full";
  return {snapshot};
}

inline Report report_of(const std::vector<Snapshot>& snapshots) {
  Report report;
  for (const Snapshot& snapshot : snapshots) report.snapshots.push_back(std::make_shared<const Snapshot>(snapshot));
  return report;
}

}  // namespace outrider
