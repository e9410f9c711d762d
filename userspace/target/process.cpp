#include "userspace/target/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <memory>
#include <optional>

#include "userspace/target/proc_reader.h"
#include "userspace/target/procfs_text.h"

namespace outrider {
namespace {

constexpr std::string_view kDeleted = " (deleted)";
constexpr std::uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD

struct StatFields {
  std::string comm;
  char state = '?';
  std::uint64_t flags = 0;
  unsigned threads = 0;
  std::uint64_t start_ticks = 0;
};

/// /proc/PID/stat; the comm may itself hold blanks and parentheses, so it ends at the last ")".
std::optional<StatFields> parse_stat(const std::string& text) {
  const auto open = text.find('(');
  const auto close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  const auto words = split_words(std::string_view(text).substr(close + 1));
  constexpr std::size_t kState = 0, kFlags = 6, kThreads = 17, kStart = 19;  // fields 3, 9, 20 and 22 of proc(5)
  if (words.size() <= kStart || words[kState].empty()) return std::nullopt;
  StatFields fields;
  fields.comm = text.substr(open + 1, close - open - 1);
  fields.state = words[kState][0];
  fields.flags = to_number<std::uint64_t>(words[kFlags]).value_or(0);
  fields.threads = to_number<unsigned>(words[kThreads]).value_or(0);
  fields.start_ticks = to_number<std::uint64_t>(words[kStart]).value_or(0);
  return fields;
}

Error gone(pid_t pid) { return Error{fmt::format("no process has PID {}; `ps` lists those that run", pid), ESRCH}; }

/// Without a pidfd a look-up could mix two processes that had the same PID one after the other.
Result<Fd> open_pidfd(pid_t pid) {
  const long fd = syscall(SYS_pidfd_open, pid, 0);
  if (fd >= 0) return Fd(static_cast<int>(fd));
  if (errno == ESRCH) return gone(pid);
  if (errno == EINVAL || errno == ENOENT) {
    return Error{fmt::format("{} is a thread, not a process; give the PID of its process", pid), errno};
  }
  return Error::from_errno(errno, fmt::format("pidfd_open {}", pid));
}

Error exe_error(int code, pid_t pid, const StatFields& stat) {
  if ((stat.flags & kKernelThread) != 0) {
    return Error{
        fmt::format("PID {} ({}) is a kernel thread and has no executable; name a query engine", pid, stat.comm), code};
  }
  if (stat.state == 'Z' || stat.state == 'X') {
    return Error{fmt::format("PID {} ({}) has ended already and waits for its parent", pid, stat.comm), code};
  }
  if (code == EACCES || code == EPERM) {
    return Error{fmt::format("open the executable of PID {}: {}; run the agent as root or with CAP_SYS_PTRACE and "
                             "CAP_DAC_READ_SEARCH",
                             pid, std::strerror(code)),
                 code};
  }
  return Error::from_errno(code, fmt::format("open the executable of PID {}", pid));
}

std::string read_link(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = readlink(path.c_str(), target.data(), target.size());
  target.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return target;
}

Status open_exe(Process& process, const std::string& directory, const StatFields& stat, const std::string& procfs) {
  const std::string link = directory + "/exe";
  process.exe_path = read_link(link);
  process.exe = Fd(open(link.c_str(), O_RDONLY | O_CLOEXEC));
  if (!process.exe.valid()) return exe_error(errno, process.pid, stat);
  struct stat status {};
  if (fstat(process.exe.get(), &status) != 0) return Error::from_errno(errno, "stat " + link);
  // A file whose own name ends in " (deleted)" is still linked.
  if (process.exe_path.ends_with(kDeleted) && status.st_nlink == 0) process.exe_deleted = true;
  if (process.exe_deleted) process.exe_path.resize(process.exe_path.size() - kDeleted.size());
  const auto key = file_key(process.exe, procfs, process.pid);
  if (!key) return key.error();
  process.exe_key = *key;
  return Ok{};
}

/// PIDs of the processes below `procfs`, ascending, without the caller's own.
Result<std::vector<pid_t>> list_pids(const std::string& procfs) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(procfs.c_str()), closedir);
  if (!directory) return Error::from_errno(errno, fmt::format("open {}; is procfs mounted?", procfs));
  std::vector<pid_t> pids;
  while (const dirent* entry = readdir(directory.get())) {
    const auto pid = to_number<pid_t>(entry->d_name);
    if (pid && *pid != getpid()) pids.push_back(*pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

/// Opens each process that `matches` takes; processes that end meanwhile are left out.
template <typename Matches>
Result<std::vector<Process>> find(const std::string& procfs, Matches matches) {
  const auto pids = list_pids(procfs);
  if (!pids) return pids.error();
  std::vector<Process> found;
  std::optional<Error> refused;
  for (const pid_t pid : *pids) {
    if (!matches(pid, fmt::format("{}/{}", procfs, pid))) continue;
    auto process = open_process(pid, procfs);
    if (process) {
      found.push_back(std::move(*process));
    } else if (process.error().code == EACCES || process.error().code == EPERM) {
      refused = process.error();
    } else if (is_exhausted(process.error().code)) {
      return process.error();
    }
  }
  if (found.empty() && refused) return *refused;
  return found;
}

constexpr std::size_t kCommLength = 15;

std::string base_name(std::string_view path) {
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return std::string(path.substr(path.rfind('/') + 1));
}

}  // namespace

std::string Process::exe_fd_path() const { return fmt::format("/proc/self/fd/{}", exe.get()); }

Result<Process> open_process(pid_t pid, const std::string& procfs) {
  if (pid <= 0) return gone(pid);
  Process process;
  process.pid = pid;
  if (procfs == "/proc") {
    auto pidfd = open_pidfd(pid);
    if (!pidfd) return pidfd.error();
    process.pidfd = std::move(*pidfd);
  }
  const std::string directory = fmt::format("{}/{}", procfs, pid);
  const auto text = read_text(directory + "/stat");
  if (!text) return text.error().code == ENOENT || text.error().code == ESRCH ? gone(pid) : text.error();
  const auto stat = parse_stat(*text);
  if (!stat) return Error{fmt::format("{}/stat cannot be understood", directory)};
  process.comm = stat->comm;
  process.threads = stat->threads;
  process.start_ticks = stat->start_ticks;
  const auto opened = open_exe(process, directory, *stat, procfs);
  if (!opened) return opened.error();
  // The pidfd is older than all that was read: if its process still runs, everything was about that one.
  if (process.pidfd.valid() && syscall(SYS_pidfd_send_signal, process.pidfd.get(), 0, nullptr, 0) != 0 &&
      errno == ESRCH) {
    return gone(pid);
  }
  return process;
}

Result<std::vector<Process>> find_by_name(const std::string& name, const std::string& procfs) {
  if (name.empty()) return Error{"the process name is empty; give the engine's name as `ps -e` shows it"};
  return find(procfs, [&](pid_t, const std::string& directory) {
    const auto comm = read_text(directory + "/comm");
    if (comm && *comm == name + "\n") return true;
    const std::string exe = read_link(directory + "/exe");
    return !exe.empty() && base_name(exe) == name;
  });
}

Result<std::vector<Process>> find_by_exe(const std::string& path, const std::string& procfs) {
  struct stat wanted {};
  const bool exists = stat(path.c_str(), &wanted) == 0;
  const int error = errno;
  char resolved[PATH_MAX];
  const std::string absolute = realpath(path.c_str(), resolved) != nullptr ? resolved : path;
  auto found = find(procfs, [&](pid_t, const std::string& directory) {
    const std::string link = directory + "/exe";
    struct stat status {};
    const bool readable = stat(link.c_str(), &status) == 0;
    if (!readable && errno == EACCES) {
      // Probably the one that is meant: opening it will say which privilege is missing.
      const auto comm = read_text(directory + "/comm");
      return comm && *comm == base_name(absolute).substr(0, kCommLength) + "\n";
    }
    if (readable && exists && status.st_dev == wanted.st_dev && status.st_ino == wanted.st_ino) return true;
    return readable && status.st_nlink == 0 && read_link(link) == absolute + std::string(kDeleted);
  });
  if (found && found->empty() && !exists) {
    return Error{fmt::format("{}: {}; give the path of the engine's binary", path, std::strerror(error)), error};
  }
  return found;
}

Result<std::vector<Process>> find_by_version(const FileVersion& version, const std::string& procfs) {
  return find(procfs, [&](pid_t, const std::string& directory) {
    struct stat status {};
    return stat((directory + "/exe").c_str(), &status) == 0 && file_version(status) == version;
  });
}

bool is_exhausted(int code) { return code == EMFILE || code == ENFILE || code == ENOMEM; }

Status check_confinement(const Process& process, const std::string& procfs) {
  const Result<std::optional<pid_t>> confined = ProcReader(procfs).strictly_confined(process.pid);
  if (!confined) return confined.error();
  const std::optional<pid_t>& thread = *confined;
  if (!thread) return Ok{};
  return Error{fmt::format("thread {} of process {} ({}) is in seccomp's strict mode, in which a thread that reads the "
                           "clock may be killed, and probes make it read the clock; nothing is attached to it",
                           *thread, process.pid, process.exe_path),
               EPERM};
}

}  // namespace outrider
