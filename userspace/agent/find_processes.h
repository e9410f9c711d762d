// Which processes the user means. Plain functions without shared state: thread-safe.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/target/process.h"

namespace outrider {

/// What the user asked to watch.
struct TargetSpec {
  enum class Kind { kPid, kExe, kName, kUnit, kCgroup };
  Kind kind = Kind::kPid;
  std::string value;  ///< PID, path, name, systemd unit or control group as typed
};

/// Those that run now; none is no error but for a PID, and for a path that is not there.
Result<std::vector<Process>> find_processes(const TargetSpec& spec);

/// Whether what the user named is there at all, before anything is loaded.
Status check_target(const TargetSpec& spec);

/// Parent of every process, from one look at /proc.
std::multimap<pid_t, pid_t> children_by_parent();

}  // namespace outrider
