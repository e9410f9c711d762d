// A snapshot as JSON, with the field names and units that every output, rule and API call shares. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "userspace/model/snapshot.h"

namespace outrider {

/// Fields in the order of the documentation; a figure that cannot be had is null. With `most_types`, of more types than
/// that only those that took most time in the interval are told, in the same order.
nlohmann::ordered_json to_json(const Snapshot& snapshot,
                               std::size_t most_types = std::numeric_limits<std::size_t>::max());

nlohmann::ordered_json to_json(const Availability& availability);

/// Reads to_json() back; what JSON does not carry (histograms, sums since attach by type) stays empty, and a type's
/// `interval_count` is its rate times the interval. A figure that is missing is one that cannot be had. None if it is
/// something else: no timestamp, target or query_metrics, a key of the wrong type.
std::optional<Snapshot> snapshot_from_json(const nlohmann::ordered_json& json);

/// A snapshot as one line without a newline; never throws on foreign bytes in names.
std::string to_json_line(const Snapshot& snapshot);

/// RFC 3339, UTC, milliseconds, "Z".
std::string format_timestamp(std::int64_t unix_ms);

}  // namespace outrider
