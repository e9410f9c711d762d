// What a trap costs on this machine, measured on a site of the agent's own.
#pragma once

#include "userspace/base/result.h"
#include "userspace/kernel/bpf_session.h"

namespace outrider {

/// Nanoseconds of one hit of a probe whose program does nothing: the trap without our work. Takes about 20 ms.
Result<double> measure_trap(BpfSession& session);

}  // namespace outrider
