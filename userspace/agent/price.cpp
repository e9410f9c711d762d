#include "userspace/agent/price.h"

#include <numeric>

namespace outrider {
namespace {

// The scheduler hooks are called, not trapped into.
bool is_trap(std::size_t what) { return what != OUTRIDER_RUN_SCHED_SWITCH && what != OUTRIDER_RUN_SCHED_WAKING; }

}  // namespace

std::array<double, OUTRIDER_RUNS> price(const RunCounts& runs, const UnitPrices& prices) {
  std::array<double, OUTRIDER_RUNS> cost{};
  for (std::size_t what = 0; what < runs.size(); ++what) {
    const double unit = prices.program_ns[what] + (is_trap(what) ? prices.trap_ns : 0);
    cost[what] = static_cast<double>(runs[what]) * unit;
  }
  // Two programs on one site are called from one trap; the extra ones are phase probes.
  cost[OUTRIDER_RUN_SHARED_TRAP] = 0;
  cost[OUTRIDER_RUN_PHASE] -= static_cast<double>(runs[OUTRIDER_RUN_SHARED_TRAP]) * prices.trap_ns;
  return cost;
}

double total_price(const RunCounts& runs, const UnitPrices& prices) {
  const auto cost = price(runs, prices);
  return std::accumulate(cost.begin(), cost.end(), 0.0);
}

RunCounts operator-(const RunCounts& now, const RunCounts& before) {
  RunCounts difference{};
  for (std::size_t i = 0; i < now.size(); ++i) difference[i] = now[i] - before[i];
  return difference;
}

}  // namespace outrider
