// The host's part of ProcReader.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

#include "userspace/target/proc_reader.h"
#include "userspace/target/procfs_text.h"

namespace outrider {
namespace {

constexpr std::uint64_t kSector = 512;  // of /proc/diskstats, whatever the disk's own is
constexpr std::uint64_t kKib = 1024;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::uint64_t number_at(const std::vector<std::string_view>& words, std::size_t i) {
  return i < words.size() ? to_number<std::uint64_t>(words[i]).value_or(0) : 0;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// What lies on top of other devices, or in memory, would count the same bytes twice.
bool is_stacked(std::string_view device) {
  constexpr std::string_view kPrefixes[] = {"loop", "ram", "zram", "dm-", "md", "sr", "fd"};
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes), [&](std::string_view p) {
    return device.starts_with(p) && (p.back() == '-' || is_digits(device.substr(p.size())));
  });
}

// sda1 of sda, nvme0n1p2 of nvme0n1.
bool is_partition_of(std::string_view device, std::string_view disk) {
  if (device.size() <= disk.size() || !device.starts_with(disk)) return false;
  std::string_view rest = device.substr(disk.size());
  const bool numbered_disk = disk.back() >= '0' && disk.back() <= '9';
  if (numbered_disk) {
    if (rest.front() != 'p') return false;
    rest.remove_prefix(1);
  }
  return is_digits(rest);
}

}  // namespace

std::optional<HostCpu> ProcReader::host_cpu() const {
  const auto text = read("stat");
  if (!text) return std::nullopt;
  HostCpu cpu;
  for (const std::string_view line : lines_of(*text)) {
    const auto words = split_words(line);
    if (words.empty() || !words[0].starts_with("cpu")) continue;
    if (words[0] != "cpu") {
      ++cpu.cpus;
      continue;
    }
    // user nice system idle iowait irq softirq steal; guest time is part of user time. Waiting for a disk is idle.
    for (std::size_t i = 1; i <= 8; ++i) cpu.total += number_at(words, i);
    cpu.busy = cpu.total - number_at(words, 4) - number_at(words, 5);
    cpu.stolen = number_at(words, 8);
  }
  if (cpu.total == 0) return std::nullopt;
  return cpu;
}

std::optional<HostMemory> ProcReader::host_memory() const {
  const auto text = read("meminfo");
  if (!text) return std::nullopt;
  std::map<std::string_view, std::uint64_t> fields;
  for (const std::string_view line : lines_of(*text)) {
    const auto words = split_words(line);
    if (words.size() >= 2) fields[words[0]] = number_at(words, 1) * kKib;
  }
  if (fields["MemTotal:"] == 0 || !fields.contains("MemAvailable:")) return std::nullopt;
  return HostMemory{fields["MemTotal:"], std::min(fields["MemAvailable:"], fields["MemTotal:"])};
}

std::optional<TransferBytes> ProcReader::host_disk() const {
  const auto text = read("diskstats");
  if (!text) return std::nullopt;
  TransferBytes bytes;
  std::vector<std::string_view> disks;
  for (const std::string_view line : lines_of(*text)) {
    const auto words = split_words(line);
    if (words.size() < 14 || is_stacked(words[2])) continue;
    const auto holds = [&](std::string_view disk) { return is_partition_of(words[2], disk); };
    if (std::any_of(disks.begin(), disks.end(), holds)) continue;
    disks.push_back(words[2]);
    bytes.in += number_at(words, 5) * kSector;
    bytes.out += number_at(words, 9) * kSector;
  }
  return bytes;
}

std::optional<TransferBytes> parse_network(const std::string& text) {
  TransferBytes bytes;
  for (const std::string_view line : lines_of(text)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;  // the two lines of headings
    const auto name = split_words(line.substr(0, colon));
    const auto words = split_words(line.substr(colon + 1));
    if (name.size() != 1 || name[0] == "lo" || words.size() < 9) continue;
    bytes.in += number_at(words, 0);
    bytes.out += number_at(words, 8);
  }
  return bytes;
}

std::optional<TransferBytes> ProcReader::host_network() const {
  const auto text = read("net/dev");
  return text ? parse_network(*text) : std::nullopt;
}

std::optional<std::uint64_t> ProcReader::host_threads() const {
  const auto text = read("loadavg");
  if (!text) return std::nullopt;
  const auto words = split_words(*text);
  if (words.size() < 4) return std::nullopt;
  const std::size_t slash = words[3].find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return to_number<std::uint64_t>(words[3].substr(slash + 1));
}

std::optional<std::uint64_t> ProcReader::host_handles() const {
  const auto text = read("sys/fs/file-nr");
  if (!text) return std::nullopt;
  const auto words = split_words(*text);
  return words.empty() ? std::nullopt : to_number<std::uint64_t>(words[0]);
}

std::optional<double> ProcReader::uptime_seconds() const {
  const auto text = read("uptime");
  if (!text) return std::nullopt;
  const auto words = split_words(*text);
  if (words.empty()) return std::nullopt;
  double seconds = 0;
  const auto parsed = std::from_chars(words[0].data(), words[0].data() + words[0].size(), seconds);
  if (parsed.ec != std::errc() || !(seconds >= 0) || !std::isfinite(seconds)) return std::nullopt;
  return seconds;
}

}  // namespace outrider
