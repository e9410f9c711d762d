// The query types of a target as rows of a table, and their order. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/snapshot.h"

namespace outrider {

/// In the order of the table's columns.
enum class TypeColumn { kName, kRate, kShare, kAverage, kP95, kP99, kErrors, kHits };
inline constexpr int kTypeColumns = 8;

struct TypeRow {
  std::string name;
  TypeMetrics figures;
  std::optional<double> share;  ///< 0..1 of the time that all types took; a nested query counts in its outer one too
  std::optional<double> error_rate;  ///< 0..1
};

/// The types that were ever seen; one without a query in the interval has a rate of 0.
std::vector<TypeRow> type_rows(const Snapshot& snapshot);

/// Worst or busiest first, names and hit rates from the smallest; `reversed` turns that round. A figure that is not
/// there comes last either way; what is equal is in the order of the names.
void sort_rows(std::vector<TypeRow>& rows, TypeColumn by, bool reversed);

}  // namespace outrider
