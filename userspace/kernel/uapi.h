// Constants of <linux/bpf.h> that are newer than the oldest headers we build with (Linux 6.1).
#pragma once

#include <linux/bpf.h>

namespace outrider {

inline constexpr auto kTraceUprobeMulti = static_cast<bpf_attach_type>(48);

}  // namespace outrider
