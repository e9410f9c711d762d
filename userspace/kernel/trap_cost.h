// What a trap costs on this machine, measured on a site of the agent's own.
#pragma once

#include "userspace/base/result.h"
#include "userspace/kernel/bpf_session.h"

namespace outrider {

/// Nanoseconds of one hit of a probe whose program does nothing: the trap without our work. The mean of a hit in a
/// tight loop and one right after a task switch, when the caches hold other things: a query does some work between its
/// probes. Takes about 50 ms, during which this thread stays on one processor.
Result<double> measure_trap(BpfSession& session);

}  // namespace outrider
