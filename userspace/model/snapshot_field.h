// A snapshot's figures by their names, for rules and whoever else is told a name. Thread-safe: the table never changes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/model/snapshot.h"

namespace outrider {

struct SnapshotField {
  std::string name;  ///< as in the JSON, e.g. "query_metrics.avg_response_time_seconds"
  std::string unit;  ///< seconds, ratio, percent, 1/s, count, MiB or score
  std::optional<double> (*value)(const Snapshot&) = nullptr;  ///< none: it cannot be had in this interval
};

/// A figure that every query type has as well, by the name that it has for the whole target.
struct TypeField {
  std::string name;
  std::string unit;
  std::optional<double> (*value)(const TypeMetrics&) = nullptr;  ///< none: it cannot be had in this interval
};

/// Every figure of an interval that is a number; none that only grows.
const std::vector<SnapshotField>& snapshot_fields();

/// Null for a name that there is not. Waits are asked for as shares of the wall time: "waits.lock_share".
const SnapshotField* find_snapshot_field(std::string_view name);

/// The part of snapshot_fields() that a query type has too.
const std::vector<TypeField>& type_fields();

/// Null for a name that there is not, or that only the target as a whole has.
const TypeField* find_type_field(std::string_view name);

}  // namespace outrider
