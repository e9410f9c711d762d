// Any text as the files of a procfs: "=== NAME" begins a file, which goes to the next such line. Processes choose their
// own names and titles, and file systems those in mounts.
#include <array>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/symbols/kernel_symbols.h"
#include "userspace/symbols/process_maps.h"
#include "userspace/target/host_limits.h"
#include "userspace/target/proc_reader.h"
#include "userspace/target/process.h"
#include "userspace/target/session_title.h"

namespace {

using outrider::demand;

constexpr pid_t kPid = 1;
constexpr std::array kNames = {"stat",
                               "meminfo",
                               "diskstats",
                               "loadavg",
                               "uptime",
                               "kallsyms",
                               "net/dev",
                               "sys/fs/file-nr",
                               "1/stat",
                               "1/statm",
                               "1/io",
                               "1/limits",
                               "1/comm",
                               "1/cmdline",
                               "1/status",
                               "1/task/1/status",
                               "1/net/dev",
                               "1/maps",
                               "1/cgroup",
                               "cpu.max",
                               "cpu.stat",
                               "memory.max",
                               "cpu/cpu.cfs_quota_us",
                               "cpu/cpu.cfs_period_us",
                               "memory/memory.limit_in_bytes"};

void write_files(const outrider::Folder& folder, std::string_view text) {
  for (const char* name : kNames) {
    const std::string mark = std::string("=== ") + name + "\n";
    const auto at = text.find(mark);
    std::error_code ignored;
    std::filesystem::remove(folder.path() / name, ignored);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = text.substr(at + mark.size());
    static_cast<void>(folder.write(name, rest.substr(0, rest.find("=== "))));
  }
}

void read_process(const outrider::ProcReader& proc, const std::string& root) {
  if (const auto stat = proc.stat(kPid)) demand(stat->state != 0, "a process has a state");
  outrider::made(proc.memory(kPid));
  outrider::made(proc.io(kPid));
  outrider::made(proc.handle_count(kPid));
  outrider::made(proc.handle_limit(kPid));
  std::set<dev_t> seen;
  outrider::made(proc.written_file_systems(kPid, 8, seen));
  outrider::made(proc.allowed_cpus(kPid));
  if (const auto line = proc.command_line(kPid)) {
    outrider::made(outrider::session_of_title(*line));
    demand(line->find('\0') == std::string::npos, "a command line has no NUL");
  }
  outrider::made(proc.comm(kPid));
  outrider::made(proc.strictly_confined(kPid));
  outrider::made(proc.network(kPid));
  const outrider::CgroupLimits limits = outrider::cgroup_limits(proc, kPid, root);
  demand(!limits.cpu_cores || *limits.cpu_cores > 0, "a limit allows something");
  outrider::made(outrider::throttled_ns(limits));
  outrider::made(outrider::open_process(kPid, root));
  const auto maps = outrider::read_maps(root, kPid);
  if (!maps) return;
  for (const auto& mapping : *maps) outrider::open_mapping(root, kPid, mapping);
}

void read_host(const outrider::ProcReader& proc) {
  if (const auto cpu = proc.host_cpu()) demand(cpu->total > 0, "time passed");
  if (const auto memory = proc.host_memory()) demand(memory->available <= memory->total, "memory is part of itself");
  outrider::made(proc.host_disk());
  outrider::made(proc.host_network());
  outrider::made(proc.host_threads());
  outrider::made(proc.host_handles());
  if (const auto uptime = proc.uptime_seconds()) outrider::demand(*uptime >= 0, "time goes on");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const outrider::Folder kFolder;
  static const bool kMade = [] {
    for (const char* name : {"net", "sys/fs", "1/net", "1/fd", "1/map_files", "1/task/1", "cpu", "memory"}) {
      std::filesystem::create_directories(kFolder.path() / name);
    }
    static_cast<void>(kFolder.write("1/fd/3", "open for writing, as far as a mode can tell"));
    return true;
  }();
  demand(kMade, "there are folders");
  write_files(kFolder, outrider::text_of(data, size));
  const std::string root = kFolder.path();
  const outrider::ProcReader proc(root);
  read_process(proc, root);
  read_host(proc);
  const auto symbols = outrider::KernelSymbols::read(root + "/kallsyms");
  outrider::made(symbols.find(0xffffffff81000010));
  outrider::made(outrider::count_cpu_list(std::string(outrider::text_of(data, size))));
  return 0;
}
