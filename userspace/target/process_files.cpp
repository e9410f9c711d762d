// file_key() and probe_files(): which files a process runs, as the kernel names them.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <set>

#include "userspace/target/process.h"
#include "userspace/target/procfs_text.h"

namespace outrider {
namespace {

constexpr std::uint32_t device_number(std::uint32_t major_number, std::uint32_t minor_number) {
  return major_number << 20 | minor_number;
}

/// "8:1" or, with base 16, "fd:00".
std::optional<std::uint32_t> parse_device(std::string_view text, int base) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major_number = to_number<std::uint32_t>(text.substr(0, colon), base);
  const auto minor_number = to_number<std::uint32_t>(text.substr(colon + 1), base);
  if (!major_number || !minor_number) return std::nullopt;
  return device_number(*major_number, *minor_number);
}

std::string_view next_line(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

/// The word behind "label:" of an fdinfo file.
std::optional<std::uint64_t> fdinfo_number(std::string_view text, std::string_view label) {
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    if (!line.starts_with(label)) continue;
    const auto words = split_words(line.substr(label.size()));
    return words.empty() ? std::nullopt : to_number<std::uint64_t>(words[0]);
  }
  return std::nullopt;
}

/// The device of the super block that is mounted as `mount_id`.
std::optional<std::uint32_t> mounted_device(const std::string& mountinfo, std::uint64_t mount_id) {
  const auto text = read_text(mountinfo);
  if (!text) return std::nullopt;
  for (std::string_view left = *text; !left.empty();) {
    const auto words = split_words(next_line(left));
    if (words.size() > 2 && to_number<std::uint64_t>(words[0]) == mount_id) return parse_device(words[2], 10);
  }
  return std::nullopt;
}

/// The kernel's own numbers: fdinfo has the inode's, mountinfo the super block's device.
std::optional<FileKey> kernel_key(const Fd& fd, const std::string& procfs, pid_t pid) {
  const auto info = read_text(fmt::format("{}/self/fdinfo/{}", procfs, fd.get()));
  if (!info) return std::nullopt;
  const auto inode = fdinfo_number(*info, "ino:");
  const auto mount = fdinfo_number(*info, "mnt_id:");
  if (!inode || !mount) return std::nullopt;
  auto device = mounted_device(procfs + "/self/mountinfo", *mount);
  if (!device && pid > 0) device = mounted_device(fmt::format("{}/{}/mountinfo", procfs, pid), *mount);
  if (!device) return std::nullopt;
  return FileKey{*device, *inode};
}

/// An executable mapping of a file from one line of /proc/PID/maps.
std::optional<MappedFile> parse_mapping(std::string_view line) {
  const auto words = split_words(line);
  if (words.size() < 6 || words[1].size() < 3 || words[1][2] != 'x' || !words[5].starts_with('/')) return std::nullopt;
  const auto dash = words[0].find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto begin = to_number<std::uint64_t>(words[0].substr(0, dash), 16);
  const auto end = to_number<std::uint64_t>(words[0].substr(dash + 1), 16);
  if (!begin || !end) return std::nullopt;
  const auto device = parse_device(words[3], 16);
  const auto inode = to_number<std::uint64_t>(words[4]);
  if (!device || !inode || *inode == 0) return std::nullopt;
  const auto path = static_cast<std::size_t>(words[5].data() - line.data());
  return MappedFile{*begin, *end, {*device, *inode}, std::string(line.substr(path))};
}

/// The file at `path` if it is the one of `key`.
Result<Fd> open_if_same(const std::string& path, const FileKey& wanted, pid_t pid, const std::string& procfs) {
  // Not blocking: by now the path may be a FIFO.
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return Error::from_errno(errno, "open");
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return Error::from_errno(errno, "stat");
  const auto key = file_key(fd, procfs, pid);
  if (!S_ISREG(status.st_mode) || (status.st_ino != wanted.inode && !(key && *key == wanted))) {
    return Error{"the file was replaced since the process mapped it"};
  }
  return fd;
}

bool has_shadow_stack(const std::string& status) {
  constexpr std::string_view kLabel = "x86_Thread_features:";
  for (std::string_view left = status; !left.empty();) {
    const std::string_view line = next_line(left);
    if (line.starts_with(kLabel)) return line.find("shstk") != std::string_view::npos;
  }
  return false;
}

/// What others throw with: it throws nothing by itself into C.
bool is_runtime(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  // The last one throws when memory runs out, into the C++ that called its operator new.
  return name.starts_with("libstdc++.so") || name.starts_with("libgcc_s.so") || name.starts_with("libjemalloc.so");
}

void add_library(const MappedFile& mapping, const Process& process, const FunctionNames& functions,
                 const std::string& procfs, ProbeFiles& result) {
  auto fd = open_mapped(mapping, process.pid, procfs);
  if (!fd) {
    result.unreadable.push_back(fmt::format("{}: {}", mapping.path, fd.error().message));
    result.unread = mapping.path;
    return;
  }
  const FileVersion version = file_version(*fd);
  auto probes = read_probes(fd->get(), mapping.path, functions);
  if (!probes) return;  // mapped executable but no ELF file: generated code
  if (probes->throws && !is_runtime(mapping.path)) result.throws = mapping.path;
  if (probes->probes.empty() && probes->skipped_count == 0) return;
  result.files.push_back({std::move(*fd), mapping.path, mapping.key, version, std::move(*probes)});
}

}  // namespace

std::optional<std::uint32_t> device_of_maps(std::string_view text) { return parse_device(text, 16); }

Result<Fd> open_mapped(const MappedFile& mapping, pid_t pid, const std::string& procfs) {
  const std::string directory = fmt::format("{}/{}", procfs, pid);
  const std::string link = fmt::format("{}/map_files/{:x}-{:x}", directory, mapping.begin, mapping.end);
  Fd fd(open(link.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.valid()) return fd;
  Result<Fd> by_path = open_if_same(fmt::format("{}/root{}", directory, mapping.path), mapping.key, pid, procfs);
  if (by_path) return by_path;
  Result<Fd> executable = open_if_same(directory + "/exe", mapping.key, pid, procfs);
  return executable ? std::move(executable) : std::move(by_path);
}

Result<FileKey> file_key(const Fd& fd, const std::string& procfs, pid_t pid) {
  if (const auto key = kernel_key(fd, procfs, pid)) return *key;
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return Error::from_errno(errno, "stat of an open file");
  return FileKey{device_number(major(status.st_dev), minor(status.st_dev)), status.st_ino};
}

Result<ProbeFiles> probe_files(const Process& process, const FunctionNames& functions, const std::string& procfs) {
  ProbeFiles result;
  const FileVersion version = file_version(process.exe);
  auto exe_probes = read_probes(process.exe.get(), process.exe_path, functions);
  if (!exe_probes) return exe_probes.error();
  if (exe_probes->throws) result.throws = process.exe_path;
  Fd exe(fcntl(process.exe.get(), F_DUPFD_CLOEXEC, 0));
  if (!exe.valid()) return Error::from_errno(errno, "duplicate the descriptor of " + process.exe_path);
  result.files.push_back({std::move(exe), process.exe_path, process.exe_key, version, std::move(*exe_probes)});

  const auto status = read_text(fmt::format("{}/{}/status", procfs, process.pid));
  result.shadow_stack = status && has_shadow_stack(*status);
  const auto maps = read_text(fmt::format("{}/{}/maps", procfs, process.pid));
  if (!maps) {
    result.unreadable.push_back(fmt::format("the list of mapped libraries: {}", maps.error().message));
    result.unread = process.exe_path;
    return result;
  }
  std::set<FileKey> seen = {process.exe_key};
  for (std::string_view left = *maps; !left.empty();) {
    const auto mapping = parse_mapping(next_line(left));
    if (!mapping || mapping->path == process.exe_path) continue;
    if (seen.insert(mapping->key).second) add_library(*mapping, process, functions, procfs, result);
  }
  return result;
}

}  // namespace outrider
