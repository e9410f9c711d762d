#include "userspace/target/proc_reader.h"

#include <dirent.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "userspace/target/procfs_text.h"

namespace outrider {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using Directory = std::unique_ptr<DIR, CloseDir>;

// The value of "name:   123 ..." in a file of such lines.
std::optional<std::uint64_t> field(const std::string& text, std::string_view name) {
  const auto words = split_words(text);
  const auto found = std::find(words.begin(), words.end(), name);
  if (found == words.end() || found + 1 == words.end()) return std::nullopt;
  return to_number<std::uint64_t>(*(found + 1));
}

// The i-th of a line's words as a number; 0 if it is none.
std::uint64_t number_at(const std::vector<std::string_view>& words, std::size_t i) {
  return i < words.size() ? to_number<std::uint64_t>(words[i]).value_or(0) : 0;
}

double used_share(const struct statvfs& fs) {
  const auto used = static_cast<double>(fs.f_blocks - fs.f_bfree);
  const double reachable = used + static_cast<double>(fs.f_bavail);
  return reachable > 0 ? used / reachable : 0;
}

}  // namespace

std::string ProcReader::process_path(pid_t pid, const std::string& file) const {
  return root_ + "/" + std::to_string(pid) + "/" + file;
}

std::optional<std::string> ProcReader::read(const std::string& file) const {
  auto text = read_text(root_ + "/" + file);
  if (!text) return std::nullopt;
  return *std::move(text);
}

std::optional<std::string> ProcReader::read(pid_t pid, const std::string& file) const {
  return read(std::to_string(pid) + "/" + file);
}

// PF_EXITING of the kernel's task flags: set before the exit hooks run.
constexpr std::uint64_t kExitingFlag = 0x4;

std::optional<ProcessStat> ProcReader::stat(pid_t pid) const {
  const auto text = read(pid, "stat");
  if (!text) return std::nullopt;
  // A name may hold blanks and brackets: it ends at the last bracket of the line.
  const std::size_t open = text->find('('), close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  const auto words = split_words(std::string_view(*text).substr(close + 1));
  if (words.size() < 20 || words[0][0] == '\0') return std::nullopt;
  ProcessStat stat;
  stat.comm = text->substr(open + 1, close - open - 1);
  stat.state = words[0][0];
  // proc(5) counts from 1 and the name is its field 2: field n is word n - 3 here.
  stat.parent = number_at(words, 1);
  stat.exiting = (number_at(words, 6) & kExitingFlag) != 0;
  stat.minor_faults = number_at(words, 7);
  stat.major_faults = number_at(words, 9);
  stat.user_ticks = number_at(words, 11);
  stat.system_ticks = number_at(words, 12);
  stat.threads = number_at(words, 17);
  stat.start_ticks = number_at(words, 19);
  return stat;
}

std::optional<ProcessMemory> ProcReader::memory(pid_t pid) const {
  const auto text = read(pid, "statm");
  if (!text) return std::nullopt;
  const auto words = split_words(*text);
  if (words.size() < 3) return std::nullopt;
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return ProcessMemory{number_at(words, 1) * page, number_at(words, 2) * page};
}

std::optional<TransferBytes> ProcReader::io(pid_t pid) const {
  const auto text = read(pid, "io");
  if (!text) return std::nullopt;
  const auto in = field(*text, "read_bytes:"), out = field(*text, "write_bytes:");
  if (!in || !out) return std::nullopt;
  return TransferBytes{*in, *out};
}

std::optional<std::uint64_t> ProcReader::handle_count(pid_t pid) const {
  const std::string path = process_path(pid, "fd");
  struct stat status {};
  struct statfs fs {};
  // Since Linux 6.2 the directory's size is the number of descriptors: no need to list 100,000 of them.
  if (::stat(path.c_str(), &status) == 0 && status.st_size > 0 && ::statfs(path.c_str(), &fs) == 0 &&
      fs.f_type == PROC_SUPER_MAGIC) {
    return static_cast<std::uint64_t>(status.st_size);
  }
  const Directory dir(::opendir(path.c_str()));
  if (!dir) return std::nullopt;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(dir.get())) count += entry->d_name[0] != '.' ? 1 : 0;
  return count;
}

WrittenFileSystems ProcReader::written_file_systems(pid_t pid, std::size_t budget, std::set<dev_t>& seen) const {
  WrittenFileSystems result;
  const std::string path = process_path(pid, "fd");
  const Directory dir(::opendir(path.c_str()));
  if (!dir) return result;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_name[0] == '.') continue;
    if (result.looked_at++ >= budget) break;
    struct stat link {
    }, file{};
    const std::string name = path + "/" + entry->d_name;
    // procfs shows in the link's own mode how the descriptor was opened.
    if (::lstat(name.c_str(), &link) != 0 || (link.st_mode & S_IWUSR) == 0) continue;
    if (::stat(name.c_str(), &file) != 0 || !S_ISREG(file.st_mode) || !seen.insert(file.st_dev).second) continue;
    if (const auto usage = file_system_usage(name)) result.fullest = std::max(result.fullest.value_or(0), *usage);
  }
  return result;
}

std::optional<std::uint64_t> ProcReader::handle_limit(pid_t pid) const {
  const auto text = read(pid, "limits");
  if (!text) return std::nullopt;
  const auto words = split_words(*text);
  const auto found = std::find(words.begin(), words.end(), "open");  // "Max open files  1024 ...", the only one
  if (words.end() - found <= 2) return std::nullopt;
  return to_number<std::uint64_t>(*(found + 2));
}

std::optional<unsigned> ProcReader::allowed_cpus(pid_t pid) const {
  const auto text = read(pid, "status");
  if (!text) return std::nullopt;
  const auto words = split_words(*text);
  const auto found = std::find(words.begin(), words.end(), "Cpus_allowed_list:");
  if (found == words.end() || found + 1 == words.end()) return std::nullopt;
  return count_cpu_list(std::string(*(found + 1)));
}

Result<std::optional<pid_t>> ProcReader::strictly_confined(pid_t pid) const {
  const std::string tasks = process_path(pid, "task");
  const Directory threads(opendir(tasks.c_str()));
  if (!threads && (errno == ENOENT || errno == ESRCH)) return std::optional<pid_t>();
  if (!threads) return Error::from_errno(errno, "list the threads in " + tasks);
  while (const dirent* entry = readdir(threads.get())) {
    const auto thread = to_number<pid_t>(entry->d_name);
    if (!thread) continue;
    const auto status = read(pid, "task/" + std::to_string(*thread) + "/status");
    if (status && field(*status, "Seccomp:") == std::uint64_t{SECCOMP_MODE_STRICT}) return thread;
    // It has ended, or nobody knows.
    const std::string path = fmt::format("{}/{}", tasks, *thread);
    if (!status && access(path.c_str(), F_OK) == 0) return Error{path + "/status cannot be read", EIO};
  }
  return std::optional<pid_t>();
}

std::optional<std::string> ProcReader::command_line(pid_t pid) const {
  auto text = read(pid, "cmdline");
  if (!text) return std::nullopt;
  while (!text->empty() && text->back() == '\0') text->pop_back();
  std::replace(text->begin(), text->end(), '\0', ' ');
  return text;
}

std::optional<std::string> ProcReader::comm(pid_t pid) const {
  auto text = read(pid, "comm");
  if (text && !text->empty() && text->back() == '\n') text->pop_back();
  return text;
}

std::optional<TransferBytes> ProcReader::network(pid_t pid) const {
  const auto text = read(pid, "net/dev");
  return text ? parse_network(*text) : std::nullopt;
}

std::optional<double> file_system_usage(const std::string& path) {
  struct statvfs fs {};
  if (::statvfs(path.c_str(), &fs) != 0 || fs.f_blocks == 0) return std::nullopt;
  return used_share(fs);
}

std::optional<unsigned> count_cpu_list(const std::string& list) {
  unsigned count = 0;
  std::string_view rest = list;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const std::size_t dash = part.find('-');
    const auto first = to_number<unsigned>(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : to_number<unsigned>(part.substr(dash + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    count += *last - *first + 1;
  }
  if (count == 0) return std::nullopt;
  return count;
}

}  // namespace outrider
