// Recorded figures for detectors, from a CSV file (RFC 4180). Reads a row at a time: constant memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "userspace/base/result.h"
#include "userspace/detect/detector.h"

namespace outrider {

struct RecordedRow {
  std::string timestamp;  ///< as it stands in the file
  DetectorSample sample;
  std::optional<double> current_concurrent;
  std::optional<double> memory_usage;  ///< 0..1
  std::optional<double> value;         ///< of the column that was asked for
};

struct CsvSummary {
  std::size_t rows = 0;
  std::size_t back = 0;  ///< of those, earlier than one before them: the clock went back
  bool torn = false;     ///< the last line was not whole, and was left out
};

/// Calls `visit` for each row of `path`. The header names the columns: `timestamp` (Unix seconds, or a moment as
/// parse_moment() reads it, in UTC unless it names a zone), and any of the figures of a RecordedRow and its sample;
/// others are passed over. An empty field and "nan" are no data. Errors, with file and line: no such file, no header,
/// no `timestamp`, no column of the name `column` or, without that, none of the figures, a field that is no number.
Result<CsvSummary> read_csv(const std::string& path, const std::optional<std::string>& column,
                            const std::function<void(const RecordedRow&)>& visit);

}  // namespace outrider
