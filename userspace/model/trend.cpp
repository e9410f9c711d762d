#include "userspace/model/trend.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace outrider {
namespace {

std::optional<double> mean(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double rank_sum_z(const std::vector<double>& now, const std::vector<double>& before) {
  std::vector<std::pair<double, bool>> all;  // value, of now
  all.reserve(now.size() + before.size());
  for (const double value : now) all.emplace_back(value, true);
  for (const double value : before) all.emplace_back(value, false);
  std::sort(all.begin(), all.end());
  const auto count = static_cast<double>(all.size());
  double rank_sum = 0;
  double ties = 0;  // sum of t^3 - t over groups of equal values
  for (std::size_t first = 0, end = 0; first < all.size(); first = end) {
    end = first;
    double of_now = 0;
    while (end < all.size() && all[end].first == all[first].first) of_now += all[end++].second ? 1 : 0;
    const auto tied = static_cast<double>(end - first);
    rank_sum += of_now * (static_cast<double>(first + end + 1) / 2);
    ties += tied * tied * tied - tied;
  }
  const auto n = static_cast<double>(now.size());
  const auto m = static_cast<double>(before.size());
  const double expected = n * (count + 1) / 2;
  const double variance = n * m / 12 * (count + 1 - ties / (count * (count - 1)));
  return variance > 0 ? (rank_sum - expected) / std::sqrt(variance) : 0;
}

}  // namespace

Trend compare(const std::vector<double>& now, const std::vector<double>& before) {
  Trend trend;
  trend.now = mean(now);
  trend.before = mean(before);
  if (trend.now && trend.before && *trend.before != 0) {
    trend.change = (*trend.now - *trend.before) / std::abs(*trend.before);
  }
  if (now.size() < kTrendValues || before.size() < kTrendValues) return trend;
  trend.z = rank_sum_z(now, before);
  const bool large = trend.change ? std::abs(*trend.change) >= kTrendChange : *trend.now != *trend.before;
  trend.significant = std::abs(trend.z) >= kTrendZ && large;
  return trend;
}

}  // namespace outrider
