#include "userspace/agent/find_processes.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <filesystem>

#include "userspace/target/cgroup.h"
#include "userspace/target/proc_reader.h"

namespace outrider {
namespace {

Result<pid_t> parse_pid(const std::string& text) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || end != text.data() + text.size() || pid <= 0) {
    return Error{fmt::format("'{}' is not a process id: give a positive number", text), EINVAL};
  }
  return pid;
}

}  // namespace

std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  const ProcReader proc;
  std::error_code ignored;  // processes vanish while we look
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{}) continue;
    if (const auto stat = proc.stat(pid)) children.emplace(static_cast<pid_t>(stat->parent), pid);
  }
  return children;
}

Result<std::vector<Process>> find_processes(const TargetSpec& spec) {
  switch (spec.kind) {
    case TargetSpec::Kind::kExe:
      return find_by_exe(spec.value);
    case TargetSpec::Kind::kName:
      return find_by_name(spec.value);
    case TargetSpec::Kind::kUnit:
      return find_by_unit(spec.value);
    case TargetSpec::Kind::kCgroup:
      return find_by_cgroup(spec.value);
    case TargetSpec::Kind::kPid:
      break;
  }
  Result<pid_t> pid = parse_pid(spec.value);
  if (!pid) return pid.error();
  Result<Process> process = open_process(*pid);
  if (!process) return process.error();
  std::vector<Process> found;
  found.push_back(std::move(*process));
  return found;
}

Status check_target(const TargetSpec& spec) {
  Result<std::vector<Process>> found = find_processes(spec);
  if (!found) return found.error();
  return Ok{};
}

}  // namespace outrider
