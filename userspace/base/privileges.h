// Linux capabilities: what a process may do beyond what its user may. On Linux they belong to a thread: what one gives
// up the others keep, and a new one begins with those of the thread that started it.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

/// Of the calling thread's capabilities keeps those in `kept` (CAP_... of linux/capability.h) that it has, and gives up
/// all others for good: what it starts has no more (ambient and inheritable sets are emptied, no_new_privs is set, and
/// where that is allowed the bounding set is cut), be it a program of root's or a set-id one. To be called before there
/// are other threads. Errors: the kernel, or a filter of system calls, refuses.
Status keep_capabilities(const std::vector<int>& kept);

/// The calling thread has no capability any more. Where that is refused the process ends: what was meant to be harmless
/// must not go on as if it were. After keep_capabilities() it is never refused.
void drop_capabilities();

/// What to add to the message of a file that could not be opened or made with this errno: root is stopped by
/// permissions once it has given up CAP_DAC_OVERRIDE, which nobody expects. Else empty.
std::string advice_on_refusal(int code);

}  // namespace outrider
