// Reads procfs: processes and the host. The root is a parameter, for tests and for agents that see the host's /proc
// elsewhere. Nothing is kept between calls: thread-safe. A file that is missing, unreadable or malformed gives
// std::nullopt, because processes vanish at any time and kernels differ.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

/// From /proc/PID/stat. Times in clock ticks.
struct ProcessStat {
  std::string comm;
  char state = 0;
  std::uint64_t parent = 0;
  bool exiting = false;  ///< the first thread has begun to exit; others may live on
  std::uint64_t minor_faults = 0, major_faults = 0;
  std::uint64_t user_ticks = 0, system_ticks = 0;
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  ///< since boot; with the PID it identifies a process
};

/// From /proc/PID/statm. Bytes.
struct ProcessMemory {
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;  ///< of `resident`: file pages and shared memory
};

struct TransferBytes {
  std::uint64_t in = 0;   ///< read or received
  std::uint64_t out = 0;  ///< written or sent
};

/// From the first line of /proc/stat. Clock ticks.
struct HostCpu {
  std::uint64_t busy = 0;
  std::uint64_t stolen = 0;  ///< of `busy`: the hypervisor ran something else
  std::uint64_t total = 0;
  unsigned cpus = 0;
};

struct HostMemory {
  std::uint64_t total = 0;  ///< bytes
  std::uint64_t available = 0;
};

/// What looking through a process's descriptors found.
struct WrittenFileSystems {
  std::optional<double> fullest;  ///< 0..1, of the file systems of regular files open for writing
  std::size_t looked_at = 0;      ///< descriptors
};

class ProcReader {
 public:
  explicit ProcReader(std::string root = "/proc") : root_(std::move(root)) {}

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string process_path(pid_t pid, const std::string& file) const;

  [[nodiscard]] std::optional<ProcessStat> stat(pid_t pid) const;
  [[nodiscard]] std::optional<ProcessMemory> memory(pid_t pid) const;
  /// Bytes that reached storage. Needs the right to trace the process.
  [[nodiscard]] std::optional<TransferBytes> io(pid_t pid) const;
  [[nodiscard]] std::optional<std::uint64_t> handle_count(pid_t pid) const;
  /// How many it may have (the soft RLIMIT_NOFILE).
  [[nodiscard]] std::optional<std::uint64_t> handle_limit(pid_t pid) const;
  /// Looks at `budget` descriptors at most; `seen` holds the devices done, so that each is asked once.
  [[nodiscard]] WrittenFileSystems written_file_systems(pid_t pid, std::size_t budget, std::set<dev_t>& seen) const;
  /// CPUs in Cpus_allowed_list.
  [[nodiscard]] std::optional<unsigned> allowed_cpus(pid_t pid) const;
  /// A thread of it in seccomp's strict mode; none where the process is gone. Error: it cannot be read.
  [[nodiscard]] Result<std::optional<pid_t>> strictly_confined(pid_t pid) const;
  [[nodiscard]] std::optional<std::string> command_line(pid_t pid) const;  ///< arguments joined by blanks
  [[nodiscard]] std::optional<std::string> comm(pid_t pid) const;
  /// Of the process's network namespace, all interfaces but loopback. Bytes since the interfaces exist.
  [[nodiscard]] std::optional<TransferBytes> network(pid_t pid) const;

  [[nodiscard]] std::optional<HostCpu> host_cpu() const;
  [[nodiscard]] std::optional<HostMemory> host_memory() const;
  [[nodiscard]] std::optional<TransferBytes> host_disk() const;     ///< bytes, whole disks only
  [[nodiscard]] std::optional<TransferBytes> host_network() const;  ///< of the agent's network namespace
  [[nodiscard]] std::optional<std::uint64_t> host_threads() const;
  [[nodiscard]] std::optional<std::uint64_t> host_handles() const;
  [[nodiscard]] std::optional<double> uptime_seconds() const;

 private:
  [[nodiscard]] std::optional<std::string> read(const std::string& file) const;
  [[nodiscard]] std::optional<std::string> read(pid_t pid, const std::string& file) const;

  std::string root_;
};

/// Used share, 0..1, of the file system that holds `path`, as df shows it.
std::optional<double> file_system_usage(const std::string& path);

/// CPUs in a list such as "0-3,8,10-11"; none if it is malformed.
std::optional<unsigned> count_cpu_list(const std::string& list);

/// Bytes of all interfaces but loopback in the text of a net/dev file.
std::optional<TransferBytes> parse_network(const std::string& text);

}  // namespace outrider
