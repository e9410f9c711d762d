#include "userspace/target/cgroup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "userspace/target/procfs_text.h"

namespace outrider {
namespace {

namespace fs = std::filesystem;

/// Where cgroup v2 is mounted, else systemd's own hierarchy of v1: both hold every process.
Result<fs::path> hierarchy(const CgroupRoots& roots) {
  if (!roots.mount.empty()) return fs::path(roots.mount);
  std::ifstream mounts(roots.procfs + "/self/mounts");
  std::string systemd;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string source, point, type, options;
    words >> source >> point >> type >> options;
    if (type == "cgroup2") return fs::path(point);
    if (type == "cgroup" && options.find("name=systemd") != std::string::npos) systemd = point;
  }
  if (!systemd.empty()) return fs::path(systemd);
  return Error{"no control group hierarchy is mounted; name the engine by pid, exe or name instead", ENOENT};
}

void read_processes(const fs::path& group, std::vector<pid_t>& pids) {
  std::ifstream file(group / "cgroup.procs");
  for (pid_t pid = 0; file >> pid;) {
    if (pid > 0 && pid != getpid()) pids.push_back(pid);  // 0: of a PID namespace that we cannot see
  }
}

/// The directories in one, without links; none in one that is gone or may not be read.
std::vector<fs::path> directories_in(const fs::path& parent) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::directory_iterator entry(parent, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored) && !entry->is_symlink(ignored)) found.push_back(entry->path());
  }
  return found;
}

Result<std::vector<Process>> open_all(std::vector<pid_t> pids, const std::string& procfs) {
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  std::vector<Process> found;
  std::optional<Error> refused;
  for (const pid_t pid : pids) {
    Result<Process> process = open_process(pid, procfs);
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

}  // namespace

// Not with a recursive iterator: a directory that is gone when it is to be entered ends all of its walk.
void walk_groups(const fs::path& top, const std::function<void(const fs::path&)>& visit) {
  std::error_code error;
  if (!fs::is_directory(top, error)) return;
  std::vector<fs::path> waiting = {top};
  while (!waiting.empty()) {
    const fs::path group = std::move(waiting.back());
    waiting.pop_back();
    visit(group);
    for (fs::path& below : directories_in(group)) waiting.push_back(std::move(below));
  }
}

Result<std::vector<Process>> find_by_cgroup(const std::string& path, const CgroupRoots& roots) {
  if (path.empty()) return Error{"the control group is empty; give it as /proc/PID/cgroup shows it", EINVAL};
  const Result<fs::path> root = hierarchy(roots);
  if (!root) return root.error();
  const bool absolute = path.starts_with(root->string() + "/");
  const fs::path group = absolute ? fs::path(path) : *root / fs::path(path).relative_path();
  std::vector<pid_t> pids;
  walk_groups(group, [&](const fs::path& directory) { read_processes(directory, pids); });
  return open_all(std::move(pids), roots.procfs);
}

Result<std::vector<Process>> find_by_unit(const std::string& unit, const CgroupRoots& roots) {
  if (unit.empty() || unit.find('/') != std::string::npos) {
    return Error{fmt::format("'{}' is no name of a unit; give one as systemctl lists it", unit), EINVAL};
  }
  const Result<fs::path> root = hierarchy(roots);
  if (!root) return root.error();
  const std::string name = unit.find('.') == std::string::npos ? unit + ".service" : unit;
  std::vector<pid_t> pids;
  walk_groups(*root, [&](const fs::path& directory) {
    if (directory.filename() != name) return;
    walk_groups(directory, [&](const fs::path& below) { read_processes(below, pids); });
  });
  return open_all(std::move(pids), roots.procfs);
}

}  // namespace outrider
