// Finds running processes and the files their probes are in. The procfs root is a parameter, for tests and for agents
// that see the host's /proc elsewhere. Functions have no shared state: thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/base/file_version.h"
#include "userspace/base/result.h"
#include "userspace/target/elf_notes.h"

namespace outrider {

/// A file as the kernel knows it; `device` as in struct outrider_exe_key (major << 20 | minor).
struct FileKey {
  std::uint32_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileKey&, const FileKey&) = default;
  friend bool operator<(const FileKey& a, const FileKey& b) {
    return a.device != b.device ? a.device < b.device : a.inode < b.inode;
  }
};

/// One process. Owns a pidfd, so that the PID cannot come to mean another process unnoticed, and its open executable.
struct Process {
  pid_t pid = 0;
  Fd pidfd;                  ///< invalid only under a procfs root other than /proc
  Fd exe;                    ///< open for reading, also when deleted or in another mount namespace
  std::string exe_path;      ///< as the process's mount namespace has it, without " (deleted)"
  bool exe_deleted = false;  ///< removed or replaced since it was started
  FileKey exe_key;
  std::string comm;
  std::uint64_t start_ticks = 0;  ///< since boot; with the PID it identifies a process
  unsigned threads = 0;

  /// "/proc/self/fd/N": a path that attaches to exactly this file, valid in this process while `exe` is open.
  [[nodiscard]] std::string exe_fd_path() const;
};

/// Errors: no such process, no permission, a kernel thread, a zombie.
Result<Process> open_process(pid_t pid, const std::string& procfs = "/proc");

/// Processes whose comm or executable's base name is `name`; ascending PID; the caller's own process is left out.
/// Not finding any is a success. The error: some match but none may be opened.
Result<std::vector<Process>> find_by_name(const std::string& name, const std::string& procfs = "/proc");

/// Processes that run the file at `path`, or ran it before it was replaced. Not finding any is a success if the file
/// exists (it may be started later), an error if it does not.
Result<std::vector<Process>> find_by_exe(const std::string& path, const std::string& procfs = "/proc");

/// Processes whose executable has this content, be it seen through another mount, of an overlay. Not finding any is a
/// success.
Result<std::vector<Process>> find_by_version(const FileVersion& version, const std::string& procfs = "/proc");

/// Whether an error means that this machine had no descriptor or no memory left, not that the process is gone.
bool is_exhausted(int code);

/// Error: the process may not be probed, for one of its threads is in seccomp's strict mode. Where the clock is the
/// processor's own counter, the kernel takes away even that: the first watched query would end the thread, for the
/// guards of usdt/ read the clock as soon as somebody watches.
Status check_confinement(const Process& process, const std::string& procfs = "/proc");

/// A file that a process has mapped, as a line of /proc/PID/maps tells.
struct MappedFile {
  std::uint64_t begin = 0, end = 0;
  FileKey key;
  std::string path;  ///< as the process sees it
};

/// That file, open for reading, also where it was removed or is in another mount namespace. Through map_files, which
/// takes a capability that the service does not have; else by its path, or as the process's executable, if that is
/// still the file that is mapped. Error: it cannot be had.
Result<Fd> open_mapped(const MappedFile& mapping, pid_t pid, const std::string& procfs = "/proc");

/// A file of a process that has USDT probes.
struct ProbeFile {
  Fd fd;             ///< open for reading; attach through "/proc/self/fd/N"
  std::string path;  ///< as the process sees it
  FileKey key;
  FileVersion version;  ///< from before `probes` were read
  ElfProbes probes;
};

struct ProbeFiles {
  std::vector<ProbeFile> files;         ///< the executable first, with or without probes; libraries only with probes
  std::vector<std::string> unreadable;  ///< "path: reason" of mapped libraries that could not be looked at
  std::string throws;         ///< the path of one of all that are mapped that may throw, as WaysOut has it; empty: none
  std::string unread;         ///< the path of one that could not be looked at, which may throw as well
  bool shadow_stack = false;  ///< its returns are checked against one (CET)
  bool running = true;        ///< false: of a path that nothing runs yet, without its libraries
};

/// The executable and the shared libraries that `process` has mapped. Errors: the executable is no 64-bit ELF file of
/// a known machine, or the process is gone.
Result<ProbeFiles> probe_files(const Process& process, const FunctionNames& functions = {},
                               const std::string& procfs = "/proc");

/// A device as /proc/PID/maps has it, "fd:00", in the form of FileKey.
std::optional<std::uint32_t> device_of_maps(std::string_view text);

/// The key of an open file as the kernel's own hooks see it (overlayfs and btrfs show others to stat).
Result<FileKey> file_key(const Fd& fd, const std::string& procfs = "/proc", pid_t pid = 0);

}  // namespace outrider
