#include "userspace/tui/series.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace outrider {

void Series::add(const Board& board) {
  for (const BoardTarget& target : board.targets) {
    if (target.snapshot) add(*target.snapshot);
  }
}

void Series::add(const Snapshot& snapshot) {
  Newest& newest = newest_[snapshot.target];
  if (snapshot.timestamp_ms == newest.time_ms) return;
  if (snapshot.timestamp_ms < newest.time_ms) {
    std::erase_if(all_, [&](const auto& each) { return each.first.first == snapshot.target; });
  }
  newest = {snapshot.timestamp_ms, snapshot.interval_seconds};
  const std::int64_t second = snapshot.timestamp_ms / 1000;
  for (const auto& [name, type] : snapshot.query_metrics.query_type_breakdown) {
    const std::pair key(snapshot.target, name);
    auto found = all_.find(key);
    if (found == all_.end()) {
      if (all_.size() >= kMostSeries) continue;
      found = all_.try_emplace(key).first;
    }
    auto& points = found->second;
    if (points.empty() || points.back().second != second) points.push_back({second, 0, std::nullopt});
    points.back().queries_per_second = type.queries_per_second;
    points.back().p99_seconds = std::max(points.back().p99_seconds, type.p99_response_time_seconds);
    while (points.front().second <= second - kKeptSeconds) points.pop_front();
  }
}

void Series::add_past(const TypePast& past) {
  const auto found = all_.find({past.target, past.type});
  if (found == all_.end()) return;
  auto& points = found->second;
  const std::int64_t end = points.empty() ? 0 : points.front().second;
  const std::int64_t begin = newest_[past.target].time_ms / 1000 - kKeptSeconds;
  std::deque<SeriesPoint> before;
  std::copy_if(past.points.begin(), past.points.end(), std::back_inserter(before),
               [&](const SeriesPoint& point) { return point.second > begin && point.second < end; });
  points.insert(points.begin(), before.begin(), before.end());
}

SeriesColumns Series::columns(const std::string& target, const std::string& type, std::size_t columns) const {
  SeriesColumns result;
  const auto newest = newest_.find(target);
  const auto found = all_.find({target, type});
  if (columns == 0 || newest == newest_.end() || found == all_.end()) return result;
  const auto count = static_cast<std::int64_t>(columns);
  result.step_seconds = std::max<std::int64_t>(
      {1, (kKeptSeconds + count - 1) / count, static_cast<std::int64_t>(std::ceil(newest->second.interval_seconds))});
  const std::int64_t steps = std::clamp<std::int64_t>(kKeptSeconds / result.step_seconds, 1, count);
  const std::int64_t last = newest->second.time_ms / 1000 / result.step_seconds;
  const std::int64_t first = last - steps + 1;
  result.p99_seconds.resize(static_cast<std::size_t>(steps));
  std::vector<std::vector<double>> rates(result.p99_seconds.size());
  for (const SeriesPoint& point : found->second) {
    const std::int64_t step = point.second / result.step_seconds - first;
    if (step < 0 || step >= steps) continue;
    auto& highest = result.p99_seconds[static_cast<std::size_t>(step)];
    highest = std::max(highest, point.p99_seconds);
    rates[static_cast<std::size_t>(step)].push_back(point.queries_per_second);
  }
  result.queries_per_second.reserve(rates.size());
  for (const auto& step : rates) {
    const double sum = std::accumulate(step.begin(), step.end(), 0.0);
    result.queries_per_second.push_back(step.empty() ? std::nullopt
                                                     : std::optional(sum / static_cast<double>(step.size())));
  }
  return result;
}

}  // namespace outrider
