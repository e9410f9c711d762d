// What a process may use at most: its control group's CPU quota and memory limit (v2, v1 and hybrid layouts).
// Nothing is kept between calls: thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "userspace/target/proc_reader.h"

namespace outrider {

struct CgroupLimits {
  std::optional<double> cpu_cores;            ///< quota over period; none: no quota
  std::optional<std::uint64_t> memory_bytes;  ///< none: no limit
  std::string cpu_stat;                       ///< cpu.stat of the group with that quota; empty: no quota
};

/// The tightest limits on the way from the group of `pid` up to the root. `cgroup_root` is where the hierarchies are
/// mounted; groups outside of the agent's cgroup namespace cannot be seen and do not limit.
CgroupLimits cgroup_limits(const ProcReader& proc, pid_t pid, const std::string& cgroup_root = "/sys/fs/cgroup");

/// How long the group with the quota was stopped by it, since it exists, in nanoseconds; none without a quota.
std::optional<std::uint64_t> throttled_ns(const CgroupLimits& limits);

}  // namespace outrider
