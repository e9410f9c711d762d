#include "userspace/symbols/process_maps.h"

#include <fmt/format.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "userspace/target/process.h"

namespace outrider {
namespace {

constexpr const char* kVdso = "[vdso]";

/// Takes the first word off `line`.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

bool read_number(std::string_view text, int base, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc{} && end == text.data() + text.size();
}

std::optional<ExecutableMapping> parse_line(std::string_view line) {
  constexpr std::string_view kDeleted = " (deleted)";
  ExecutableMapping mapping;
  const std::string_view range = take_word(line);
  const std::string_view rights = take_word(line);
  const auto dash = range.find('-');
  if (rights.size() < 3 || rights[2] != 'x' || dash == std::string_view::npos) return std::nullopt;
  if (!read_number(range.substr(0, dash), 16, mapping.begin)) return std::nullopt;
  if (!read_number(range.substr(dash + 1), 16, mapping.end)) return std::nullopt;
  if (!read_number(take_word(line), 16, mapping.offset)) return std::nullopt;
  mapping.device = take_word(line);
  if (!read_number(take_word(line), 10, mapping.inode)) return std::nullopt;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (line.ends_with(kDeleted)) line.remove_suffix(kDeleted.size());
  mapping.path = line;
  return mapping;
}

// The kernel maps the same code into all processes, ours too.
Fd copy_vdso(std::uint64_t size) {
  constexpr std::uint64_t kMost = 64U << 10;
  const std::uint64_t begin = getauxval(AT_SYSINFO_EHDR);
  const auto maps = read_maps("/proc", getpid());
  const auto ours = [&](const ExecutableMapping& mapping) {
    return mapping.path == kVdso && mapping.begin == begin && mapping.end - begin == size && size <= kMost;
  };
  if (begin == 0 || !maps || std::none_of(maps->begin(), maps->end(), ours)) return {};
  Fd fd(memfd_create("vdso", MFD_CLOEXEC));
  if (fd.valid() && write(fd.get(), reinterpret_cast<const void*>(begin), size) != static_cast<ssize_t>(size))
    fd.reset();
  return fd;
}

}  // namespace

std::vector<ExecutableMapping> parse_maps(std::string_view text) {
  std::vector<ExecutableMapping> mappings;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (auto mapping = parse_line(text.substr(0, end))) mappings.push_back(std::move(*mapping));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  std::sort(mappings.begin(), mappings.end(),
            [](const ExecutableMapping& a, const ExecutableMapping& b) { return a.begin < b.begin; });
  return mappings;
}

std::optional<std::vector<ExecutableMapping>> read_maps(const std::string& procfs, pid_t pid) {
  std::ifstream file(fmt::format("{}/{}/maps", procfs, pid));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (text.empty()) return std::nullopt;  // a process that is exiting has an empty one
  return parse_maps(text);
}

Fd open_mapping(const std::string& procfs, pid_t pid, const ExecutableMapping& mapping) {
  if (mapping.path == kVdso) return copy_vdso(mapping.end - mapping.begin);
  if (mapping.inode == 0) return {};
  const auto device = device_of_maps(mapping.device);
  if (!device) return {};
  Result<Fd> fd = open_mapped({mapping.begin, mapping.end, {*device, mapping.inode}, mapping.path}, pid, procfs);
  return fd ? std::move(*fd) : Fd();
}

}  // namespace outrider
