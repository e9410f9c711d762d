// Finds the processes of a control group or of a systemd unit. The roots are parameters, for tests and for agents that
// see the host's files elsewhere. Functions have no shared state: thread-safe.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/target/process.h"

namespace outrider {

struct CgroupRoots {
  std::string procfs = "/proc";
  std::string mount;  ///< of the hierarchy that names processes; empty: as /proc/self/mounts says
};

/// Calls `visit` with `top` and with each directory below it; links are not followed. A group that vanishes meanwhile
/// or may not be read hides those below it, and no other.
void walk_groups(const std::filesystem::path& top, const std::function<void(const std::filesystem::path&)>& visit);

/// Processes in the group `path` and in those below it; ascending PID; the caller's own process is left out. `path` is
/// a directory below /sys/fs/cgroup, or as /proc/PID/cgroup writes it ("/system.slice/x.service"). A group that does
/// not exist has no processes: it may come. Errors: no hierarchy is mounted; none of its processes may be opened.
Result<std::vector<Process>> find_by_cgroup(const std::string& path, const CgroupRoots& roots = {});

/// Processes of a systemd unit, by the control group of its name wherever in the hierarchy that is, so instances in
/// user and machine slices are found too. "x" stands for "x.service".
Result<std::vector<Process>> find_by_unit(const std::string& unit, const CgroupRoots& roots = {});

}  // namespace outrider
