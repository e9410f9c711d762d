// Snapshots in InfluxDB's line protocol, for a file or a push. Pure functions, thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/model/report.h"
#include "userspace/model/snapshot.h"

namespace outrider {

struct InfluxOptions {
  using Tags = std::map<std::string, std::string>;
  std::string prefix = "outrider";          ///< of all measurements: PREFIX_queries, PREFIX_types, ...
  Tags tags;                                ///< on every point, for instance the host's name
  std::map<std::string, Tags> target_tags;  ///< by target; names that use_of_label knows are left out
};

/// One line a point, each ended by a newline, with timestamps in nanoseconds. Measurements: queries, waits, types (tag
/// `type`), phases (tag `phase`), cache, health, deductions (tag `rule`), availability, overhead, losses, target, and
/// system (of the host, without the tag `target`, once for all snapshots of one moment). A field's type never changes:
/// counts are integers, `mode` and `state` strings, `estimated` a boolean, all else floats. Null figures, numbers that
/// are not finite and empty tags are left out, and so is a point without fields. Two targets of one name at one moment
/// get "#2" and so on.
std::string influx_lines(const std::vector<Snapshot>& snapshots, const InfluxOptions& options = {});

/// The fresh snapshots of a report, and a point of the measurement `agent`.
std::string influx_lines(const Report& report, const InfluxOptions& options = {});

/// A tag key, tag value or field key: commas, equals signs and spaces get a backslash. Control characters, which the
/// protocol cannot carry there, become \n, \r, \t or \xNN in letters; a backslash at the end, which would swallow the
/// separator, gets an underscore.
std::string influx_escape_key(std::string_view text);

/// The same for a measurement, where an equals sign stays.
std::string influx_escape_measurement(std::string_view text);

/// The value of a string field with its quotes.
std::string influx_quote(std::string_view text);

}  // namespace outrider
