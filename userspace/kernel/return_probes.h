// Whether the kernel's return probes may be used at all.
#pragma once

#include <string>

#include "userspace/kernel/bpf_session.h"

namespace outrider {

/// Why no return of a function may be probed on this kernel, or "". Linux 6.11 to 6.13 return from a probed function by
/// a system call that a seccomp filter does not know: a process with one, as services of systemd often have, is killed.
/// Found out by a child of one's own, until that is known; takes some milliseconds. Not to be called by two threads at
/// once.
std::string return_probes_refused(BpfSession& session);

/// Where a return would be probed.
struct ReturnPlace {
  std::string throws{};          ///< a file of the process whose code may throw, or ""
  std::string unread{};          ///< one that could not be looked at, or ""
  std::string library{};         ///< the shared library that has the function; "": it is in the executable
  bool library_allowed = false;  ///< the user insists
  bool shadow_stack = false;     ///< the process has one
  bool running = true;           ///< false: nothing runs it yet
};

/// The same for a place. An exception that leaves a function whose return is probed aborts the process, be the function
/// of C or not. A library's probes come to every process of the host that has it, of which nobody knows what they
/// throw. Linux 6.6 to 6.10 change the return address and not the shadow stack's copy, so that the first return ends
/// the process.
std::string returns_refused(BpfSession& session, const ReturnPlace& place);

}  // namespace outrider
