// The target's figures of a snapshot (`target_metrics`) from procfs, for all processes of one target together. Keeps
// the previous sample: one instance for each target and series of intervals, not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/snapshot.h"
#include "userspace/target/host_limits.h"
#include "userspace/target/proc_reader.h"

namespace outrider {

/// What the host says, once for all targets of a round: on a host with many CPUs it takes the kernel a millisecond.
struct HostFigures {
  std::optional<unsigned> cpus;
  std::optional<std::uint64_t> memory_bytes;
  std::optional<double> uptime_seconds;

  static HostFigures read(const ProcReader& proc = ProcReader());
};

class ProcessMetrics {
 public:
  /// Descriptors are looked at in this many processes, and this many of them, in one call: with hundreds of
  /// processes the look would cost more than all the rest.
  static constexpr std::size_t kMaxFdProcesses = 64;
  static constexpr std::size_t kMaxFds = 4096;

  ProcessMetrics() : ProcessMetrics(ProcReader()) {}
  explicit ProcessMetrics(ProcReader proc, std::string cgroup_root = "/sys/fs/cgroup")
      : proc_(std::move(proc)), cgroup_root_(std::move(cgroup_root)) {}

  /// Limits (quota, memory, CPUs allowed) and the file systems of written files change so slowly that they are looked
  /// up no more often than this.
  static constexpr std::uint64_t kLimitsEveryNs = 10'000'000'000;

  /// Figures since the previous call; `now_ns` is CLOCK_MONOTONIC. Processes that are gone are skipped; a process
  /// that started since the previous call counts from its start. CPU time and faults of processes that lived and
  /// died in between are missing here; the kernel's counters, which replace these figures, have them.
  ResourceSample sample(const std::vector<pid_t>& pids, std::uint64_t now_ns, const HostFigures& host);

  /// Open files that the target may have, as of the last sample(); none with several processes, each of which has a
  /// limit of its own.
  [[nodiscard]] std::optional<std::uint64_t> handle_limit() const { return limits_.handles; }

 private:
  struct Usage {
    std::uint64_t start_ticks = 0;
    std::uint64_t cpu_ticks = 0;
    std::uint64_t faults = 0;
    std::optional<TransferBytes> io;
  };
  struct Sums {
    std::uint64_t cpu_ticks = 0, faults = 0, threads = 0, private_bytes = 0, shared_bytes = 0;
    TransferBytes io;
    bool io_complete = true;
    std::uint64_t oldest_start_ticks = UINT64_MAX;
    pid_t oldest = 0;
  };

  struct Limits {
    pid_t of = 0;  ///< the process that they were looked up for
    std::uint64_t time_ns = 0;
    CgroupLimits group;
    std::optional<unsigned> affinity;  ///< CPUs
    std::optional<std::uint64_t> handles;
    std::optional<double> disk_usage;  ///< of the fullest file system that is written to
    std::string disk_usage_gap;        ///< why that is missing or may be too low; empty: neither
  };

  void look_up_limits(const std::vector<pid_t>& pids, pid_t oldest, std::uint64_t now_ns);
  void look_up_file_systems(const std::vector<pid_t>& pids);
  [[nodiscard]] Sums collect(const std::vector<pid_t>& pids);
  [[nodiscard]] Usage baseline(pid_t pid, const Usage& now) const;
  void fill_cpu(ResourceSample& sample, const Sums& sums, const HostFigures& host, double seconds) const;
  void fill_throttling(ResourceSample& sample);
  void fill_memory(ResourceSample& sample, const Sums& sums, const HostFigures& host) const;
  void fill_transfers(ResourceSample& sample, const Sums& sums);
  void fill_descriptors(ResourceSample& sample, const std::vector<pid_t>& pids) const;

  ProcReader proc_;
  std::string cgroup_root_;
  std::map<pid_t, Usage> usage_;
  Limits limits_;
  std::optional<std::uint64_t> time_ns_;
  std::optional<double> uptime_;  // at the previous call
  std::optional<TransferBytes> network_;
  pid_t network_of_ = 0;  // the process in whose network namespace that was read
  std::optional<std::uint64_t> throttled_ns_;
  std::string throttled_of_;  // the file that says so
};

}  // namespace outrider
