// A flame graph beside an earlier one: what grew and what shrank. Pure; thread-safe.
#pragma once

#include "userspace/model/flame.h"

namespace outrider {

/// `now` with the earlier graph's value in each node; frames that only that one had are there, with the value 0.
///
/// The two are made comparable by what is the same for both when nothing changed:
/// - On-CPU the total. How many samples there are depends on how long was looked and how much there was to do; where
/// the
///   queries' CPU time goes does not, so shares are compared. With no samples in one of them nothing is scaled.
/// - Off-CPU the time that was looked. If all waits take twice as long their shares stay what they were, and yet that
/// is
///   what is to be seen, so the waited time per second of recording is compared.
FlameGraph compare_flames(const FlameGraph& now, const FlameTree& before, double before_seconds,
                          std::int64_t before_time_ms = 0);

/// How much a node grew, -1..1: on-CPU the difference of the two shares; off-CPU the difference of the times, as a
/// share of the greater of both totals. Without a baseline 0.
double flame_change(const FlameGraph& graph, const FlameNode& node);

/// How much of the earlier graph is in frames that are no more, 0..1.
double flame_gone(const FlameGraph& graph);

/// -3..3, 0 where hardly anything changed: what a node is coloured by. From +-0.5, 3 and 10 percentage points on.
int flame_change_band(double change);

}  // namespace outrider
