// The callers of a thread that waits in the kernel, from its registers and its stack's memory. Keeps the tables of the
// files that it has met. Not thread-safe. Needs the right to trace the process (CAP_SYS_PTRACE for others').
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/base/file_version.h"
#include "userspace/base/result.h"
#include "userspace/symbols/process_maps.h"
#include "userspace/symbols/unwind_table.h"

namespace outrider {

/// Registers where the thread entered the kernel, and how often it had left its CPU by then.
struct EntryRegisters {
  std::uint64_t ip = 0, sp = 0, fp = 0;
  std::uint64_t switches = 0;
};

struct WalkedStack {
  std::vector<std::uint64_t> frames;  ///< innermost first; return addresses but for the innermost
  bool whole = false;                 ///< the outermost frame was reached
};

class StackWalker {
 public:
  explicit StackWalker(std::string procfs = "/proc") : procfs_(std::move(procfs)) {}

  /// Error: the thread has run since its registers were taken, is gone, or may not be looked at.
  Result<WalkedStack> walk(pid_t process, pid_t thread, const EntryRegisters& registers);

 private:
  using Key = std::tuple<std::string, std::uint64_t, std::string, std::uint64_t>;  // device, inode, path, offset

  const UnwindTable* table_of(pid_t process, const ExecutableMapping& mapping);
  [[nodiscard]] bool waits_still(pid_t process, pid_t thread, std::uint64_t switches) const;

  std::string procfs_;
  struct Known {
    Fd fd;  ///< keeps the inode's number from becoming another file's
    FileVersion version;
    UnwindTable table;
  };
  std::map<Key, Known> tables_;
  std::size_t rows_ = 0;
};

}  // namespace outrider
