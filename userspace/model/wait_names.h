// What the classes of waits are called: in JSON, in metrics, on the page. Immutable.
#pragma once

#include <array>

#include "bpf/abi/wait_class.h"

namespace outrider {

/// In the order of enum outrider_wait_class.
inline constexpr std::array<const char*, OUTRIDER_WAIT_CLASSES> kWaitNames = OUTRIDER_WAIT_NAMES;
static_assert(kWaitNames.back() != nullptr, "every class has a name");

}  // namespace outrider
