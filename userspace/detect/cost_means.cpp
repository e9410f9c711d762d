#include "userspace/detect/cost_means.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "userspace/base/units.h"

namespace outrider {
namespace {

constexpr double kUsualHalfLife = 600, kNowHalfLife = 5;  // seconds
constexpr double kLeastUsual = 100;                       // usual ones, before anything is said of them
constexpr double kLeastShareOfIncrease = 0.3;             // of the increase

constexpr std::array<const char*, OUTRIDER_WAIT_CLASSES> kWords = {"time on the CPU",
                                                                   "waits for a CPU",
                                                                   "disk waits",
                                                                   "page faults",
                                                                   "lock waits",
                                                                   "waits for other threads",
                                                                   "network waits",
                                                                   "poll",
                                                                   "sleep",
                                                                   "waits for pipes",
                                                                   "io_uring waits",
                                                                   "other waits",
                                                                   "time of no known class",
                                                                   "throttling by its quota"};

void add(CostMeans::Sums& sums, double interval_seconds, const QueryCosts& costs, double keep) {
  for (double* sum : {&sums.elapsed, &sums.queries, &sums.failed, &sums.seconds, &sums.followed}) *sum *= keep;
  for (double& sum : sums.waits) sum *= keep;
  sums.elapsed += interval_seconds;
  sums.queries += costs.queries;
  sums.failed += costs.failed;
  sums.seconds += costs.seconds;
  if (costs.waits == nullptr) return;
  sums.followed += costs.queries;
  for (std::size_t i = 0; i < sums.waits.size(); ++i) sums.waits[i] += (*costs.waits)[i];
}

}  // namespace

CostMeans::Keep::Keep(double interval_seconds)
    : usual(std::exp2(-interval_seconds / kUsualHalfLife)), now(std::exp2(-interval_seconds / kNowHalfLife)) {}

void CostMeans::observe(double interval_seconds, const QueryCosts& costs, const Keep& keep, bool learn) {
  add(now_, interval_seconds, costs, keep.now);
  if (learn) add(usual_, interval_seconds, costs, keep.usual);
}

std::string describe_wait(const CostMeans& costs) {
  const CostMeans::Sums& usual = costs.usual();
  const CostMeans::Sums& now = costs.now();
  if (usual.followed < kLeastUsual || !(now.followed > 0)) return "";
  double all = 0, most = 0;
  std::size_t best = 0;
  for (std::size_t i = 0; i < usual.waits.size(); ++i) {
    const double more = now.waits[i] / now.followed - usual.waits[i] / usual.followed;
    all += std::max(0.0, more);
    if (more <= most) continue;
    most = more;
    best = i;
  }
  if (!(most > kLeastShareOfIncrease * all)) return "";
  return fmt::format("{}, {} -> {} a query ({:.0f} % of the increase)", kWords[best],
                     format_seconds(usual.waits[best] / usual.followed), format_seconds(now.waits[best] / now.followed),
                     100 * most / all);
}

}  // namespace outrider
