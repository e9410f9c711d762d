#include "userspace/tui/type_rows.h"

#include <algorithm>
#include <utility>

namespace outrider {
namespace {

double seconds_per_second(const TypeMetrics& type) {
  return type.queries_per_second * type.avg_response_time_seconds.value_or(0);
}

std::optional<double> key_of(const TypeRow& row, TypeColumn column) {
  switch (column) {
    case TypeColumn::kName:
      break;
    case TypeColumn::kRate:
      return row.figures.queries_per_second;
    case TypeColumn::kShare:
      return row.share;
    case TypeColumn::kAverage:
      return row.figures.avg_response_time_seconds;
    case TypeColumn::kP95:
      return row.figures.p95_response_time_seconds;
    case TypeColumn::kP99:
      return row.figures.p99_response_time_seconds;
    case TypeColumn::kErrors:
      return row.error_rate;
    case TypeColumn::kHits:
      return row.figures.cache_hit_rate;
  }
  return std::nullopt;
}

}  // namespace

std::vector<TypeRow> type_rows(const Snapshot& snapshot) {
  std::vector<TypeRow> rows;
  double sum = 0;
  const auto& types = snapshot.query_metrics.query_type_breakdown;
  rows.reserve(types.size());
  for (const auto& [name, type] : types) {
    if (type.count == 0 && type.abandoned == 0) continue;
    sum += seconds_per_second(type);
    const auto errors = type.success_rate ? std::optional(1 - *type.success_rate) : std::nullopt;
    rows.push_back({name, type, std::nullopt, errors});
  }
  for (TypeRow& row : rows) {
    if (sum > 0) row.share = seconds_per_second(row.figures) / sum;
  }
  return rows;
}

void sort_rows(std::vector<TypeRow>& rows, TypeColumn by, bool reversed) {
  const auto by_name = [](const TypeRow& a, const TypeRow& b) { return a.name < b.name; };
  std::sort(rows.begin(), rows.end(), by_name);
  if (by == TypeColumn::kName) {
    if (reversed) std::reverse(rows.begin(), rows.end());
    return;
  }
  const bool smallest_first = (by == TypeColumn::kHits) != reversed;
  std::stable_sort(rows.begin(), rows.end(), [&](const TypeRow& a, const TypeRow& b) {
    const auto left = key_of(a, by);
    const auto right = key_of(b, by);
    if (!left || !right) return left.has_value() && !right.has_value();
    return smallest_first ? *left < *right : *left > *right;
  });
}

}  // namespace outrider
