// A snapshot as JSON, with the field names and units that every output, rule and API call shares. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "userspace/model/snapshot.h"

namespace outrider {

/// Fields in the order of the documentation; a figure that cannot be had is null. With `most_types`, of more types than
/// that only those that took most time in the interval are told, in the same order.
nlohmann::ordered_json to_json(const Snapshot& snapshot,
                               std::size_t most_types = std::numeric_limits<std::size_t>::max());

nlohmann::ordered_json to_json(const Availability& availability);

/// A snapshot as one line without a newline; never throws on foreign bytes in names.
std::string to_json_line(const Snapshot& snapshot);

/// RFC 3339, UTC, milliseconds, "Z".
std::string format_timestamp(std::int64_t unix_ms);

}  // namespace outrider
