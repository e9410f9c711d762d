// Recorded figures for detectors, from a CSV file (RFC 4180). Reads a row at a time: constant memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "userspace/base/result.h"
#include "userspace/detect/detector.h"

namespace outrider {

struct CsvRow {
  std::string timestamp;  ///< as it stands in the file
  DetectorSample sample;
  std::optional<double> current_concurrent;
  std::optional<double> memory_usage;  ///< 0..1
  std::optional<double> value;         ///< of the column that was asked for
};

struct CsvSummary {
  std::size_t rows = 0;
  bool torn = false;  ///< the last line was not whole, and was left out
};

/// Calls `visit` for each row of `path`. The header names the columns: `timestamp` (Unix seconds, or a moment as
/// parse_moment() reads it), and any of the figures of a CsvRow and its sample; others are passed over. An empty field
/// and "nan" are no data. Errors, with file and line: no such file, no header, no `timestamp`, no column of the name
/// `column`, a field that is no number.
Result<CsvSummary> read_csv(const std::string& path, const std::optional<std::string>& column,
                            const std::function<void(const CsvRow&)>& visit);

}  // namespace outrider
