// The executable mappings of a process, from /proc/PID/maps. Plain functions without shared state: thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/fd.h"

namespace outrider {

struct ExecutableMapping {
  std::uint64_t begin = 0, end = 0;
  std::uint64_t offset = 0;  ///< of `begin` in the file
  std::string device;        ///< "08:01"
  std::uint64_t inode = 0;   ///< 0: no file
  std::string path;          ///< as the process sees it, without " (deleted)"; "[vdso]", or empty: generated code
};

/// Of a text as /proc/PID/maps has it, in ascending order; malformed lines are left out.
std::vector<ExecutableMapping> parse_maps(std::string_view text);

/// None: the process is gone, or may not be looked at.
std::optional<std::vector<ExecutableMapping>> read_maps(const std::string& procfs, pid_t pid);

/// The mapped file, open for reading, though it may be removed or in another mount namespace; a copy of "[vdso]".
/// Invalid: it cannot be had.
Fd open_mapping(const std::string& procfs, pid_t pid, const ExecutableMapping& mapping);

}  // namespace outrider
