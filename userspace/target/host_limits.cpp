#include "userspace/target/host_limits.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "userspace/target/procfs_text.h"

namespace outrider {
namespace {

// v1 shows "no limit" as the largest multiple of a page; nobody means a limit beyond an exbibyte.
constexpr std::uint64_t kUnlimited = 1ULL << 60;

std::optional<std::string> read_file(const std::string& path) {
  auto text = read_text(path);
  if (!text) return std::nullopt;
  return *std::move(text);
}

template <typename Number>
std::optional<Number> read_number(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const auto words = split_words(*text);
  return words.empty() ? std::nullopt : to_number<Number>(words[0]);
}

// The number after `key` in a text of "key value" lines.
std::optional<std::uint64_t> keyed_number(const std::string& text, std::string_view key) {
  const auto words = split_words(text);
  const auto found = std::find(words.begin(), words.end(), key);
  if (found == words.end() || found + 1 == words.end()) return std::nullopt;
  return to_number<std::uint64_t>(*(found + 1));
}

void limit_memory(CgroupLimits& limits, std::optional<std::uint64_t> bytes) {
  if (bytes && *bytes < kUnlimited) limits.memory_bytes = std::min(limits.memory_bytes.value_or(kUnlimited), *bytes);
}

void limit_cpu(CgroupLimits& limits, std::int64_t quota, std::int64_t period, const std::string& dir) {
  if (quota <= 0 || period <= 0) return;  // v1 writes -1 for no quota
  const double cores = static_cast<double>(quota) / static_cast<double>(period);
  if (limits.cpu_cores && *limits.cpu_cores <= cores) return;
  limits.cpu_cores = cores;
  limits.cpu_stat = dir + "/cpu.stat";
}

void read_v2(CgroupLimits& limits, const std::string& dir) {
  limit_memory(limits, read_number<std::uint64_t>(dir + "/memory.max"));
  const auto text = read_file(dir + "/cpu.max");
  if (!text) return;
  const auto words = split_words(*text);
  if (words.size() < 2) return;
  const auto quota = to_number<std::int64_t>(words[0]), period = to_number<std::int64_t>(words[1]);
  if (!quota || !period) return;  // "max": no quota
  limit_cpu(limits, *quota, *period, dir);
}

void read_v1_cpu(CgroupLimits& limits, const std::string& dir) {
  const auto quota = read_number<std::int64_t>(dir + "/cpu.cfs_quota_us");
  const auto period = read_number<std::int64_t>(dir + "/cpu.cfs_period_us");
  if (quota && period) limit_cpu(limits, *quota, *period, dir);
}

void read_v1_memory(CgroupLimits& limits, const std::string& dir) {
  limit_memory(limits, read_number<std::uint64_t>(dir + "/memory.limit_in_bytes"));
}

// Calls read(limits, directory) for the group and each of its ancestors under `mount`.
template <typename Read>
void walk_up(CgroupLimits& limits, const std::string& mount, std::string_view group, Read&& read) {
  if (group.find("/..") != std::string_view::npos) group = {};  // outside of our cgroup namespace
  for (std::string path(group);;) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    read(limits, mount + path);
    if (path.empty()) return;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

bool has_controller(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == name) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

CgroupLimits cgroup_limits(const ProcReader& proc, pid_t pid, const std::string& cgroup_root) {
  CgroupLimits limits;
  const auto text = read_file(proc.process_path(pid, "cgroup"));
  if (!text) return limits;
  std::string_view rest = *text;
  while (!rest.empty()) {  // "hierarchy:controllers:/path", no controllers: v2
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view group = line.substr(second + 1);
    if (controllers.empty()) {
      walk_up(limits, cgroup_root, group, read_v2);
      walk_up(limits, cgroup_root + "/unified", group, read_v2);
    }
    const std::string mount = cgroup_root + "/" + std::string(controllers);
    if (has_controller(controllers, "cpu")) walk_up(limits, mount, group, read_v1_cpu);
    if (has_controller(controllers, "memory")) walk_up(limits, mount, group, read_v1_memory);
  }
  return limits;
}

std::optional<std::uint64_t> throttled_ns(const CgroupLimits& limits) {
  if (limits.cpu_stat.empty()) return std::nullopt;
  const auto text = read_file(limits.cpu_stat);
  if (!text) return std::nullopt;
  if (const auto microseconds = keyed_number(*text, "throttled_usec")) return *microseconds * 1000;  // v2
  return keyed_number(*text, "throttled_time");                                                      // v1
}

}  // namespace outrider
