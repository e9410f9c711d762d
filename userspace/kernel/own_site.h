// Probe sites in the agent's own program, on which it tries what the kernel does.
#pragma once

#include <cstdint>

#include "userspace/base/result.h"
#include "userspace/kernel/bpf_session.h"

namespace outrider {

/// A probe whose program does nothing, not attached yet, at this address of the running program: of its own group 0.
/// `at_return`: of the function that begins there. Errors: the address is not in the program's file, or the session has
/// no room.
Result<ProbeSet> probe_own_site(BpfSession& session, std::uint64_t address, bool at_return = false);

}  // namespace outrider
