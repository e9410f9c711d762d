// What the probes cost the target: traps x the cost of a trap, plus the time our programs ran. Pure, thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "bpf/abi/abi.h"

namespace outrider {

using RunCounts = std::array<std::uint64_t, OUTRIDER_RUNS>;

struct UnitPrices {
  double trap_ns = 0;                              ///< of a probe hit whose program does nothing
  std::array<double, OUTRIDER_RUNS> program_ns{};  ///< of a program's run
};

/// Nanoseconds by kind of work.
std::array<double, OUTRIDER_RUNS> price(const RunCounts& runs, const UnitPrices& prices);

/// Their sum.
double total_price(const RunCounts& runs, const UnitPrices& prices);

RunCounts operator-(const RunCounts& now, const RunCounts& before);

}  // namespace outrider
