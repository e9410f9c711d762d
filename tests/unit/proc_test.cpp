// procfs readers against a made-up /proc (tests/unit/data/proc: t0 and t1 are two moments, two seconds apart) and,
// where only the kernel can tell, against this very process.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "userspace/base/fd.h"
#include "userspace/target/host_metrics.h"
#include "userspace/target/proc_metrics.h"

namespace outrider {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::Not;
using testing::StartsWith;

const std::string kData = std::string(OUTRIDER_SOURCE_DIR) + "/tests/unit/data/proc";

/// A procfs root that can be switched to a later moment.
class MovingProc {
 public:
  MovingProc() {
    std::string name = (fs::temp_directory_path() / "outrider-proc-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
    at("t0");
  }
  ~MovingProc() { fs::remove_all(dir_); }
  void at(const std::string& moment) const {
    fs::remove(dir_ + "/proc");
    fs::create_directory_symlink(kData + "/" + moment, dir_ + "/proc");
  }
  [[nodiscard]] ProcReader reader() const { return ProcReader(dir_ + "/proc"); }

 private:
  std::string dir_;
};

double pages_mib(int pages) { return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576; }

TEST(ProcReader, StatOfANameWithBlanksAndBrackets) {
  const auto stat = ProcReader(kData + "/t1").stat(100);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "eng (1) main");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->minor_faults, 1100U);
  EXPECT_EQ(stat->major_faults, 20U);
  EXPECT_EQ(stat->user_ticks, 600U);
  EXPECT_EQ(stat->system_ticks, 150U);
  EXPECT_EQ(stat->threads, 6U);
  EXPECT_EQ(stat->start_ticks, 400050U);
  EXPECT_EQ(ProcReader(kData + "/t1").command_line(100), "engine --threads 4");
  EXPECT_EQ(ProcReader(kData + "/t1").comm(100), "eng (1) main");
  EXPECT_EQ(ProcReader(kData + "/t1").handle_count(100), 3U);
  EXPECT_EQ(ProcReader(kData + "/t1").handle_limit(100), 1024U);
}

TEST(ProcReader, MissingAndMalformedFilesAreNone) {
  const ProcReader proc(kData + "/t0");
  EXPECT_FALSE(proc.stat(999));
  EXPECT_FALSE(proc.stat(300));
  EXPECT_FALSE(proc.memory(300));
  EXPECT_FALSE(proc.io(300));
  EXPECT_FALSE(proc.handle_count(999));
  EXPECT_FALSE(proc.handle_limit(999));
  EXPECT_FALSE(proc.network(999));
  EXPECT_FALSE(ProcReader("/nonexistent").host_cpu());
  EXPECT_FALSE(ProcReader("/nonexistent").uptime_seconds());
}

TEST(ProcReader, AThreadInStrictModeIsFoundAmongOthersUnderAFilter) {
  std::string root = (fs::temp_directory_path() / "outrider-proc-XXXXXX").string();
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  const auto thread = [&](const std::string& name, const std::string& mode) {
    fs::create_directories(root + "/7/task/" + name);
    std::ofstream(root + "/7/task/" + name + "/status")
        << "Name:\tengine\nSeccomp:\t" << mode << "\nSeccomp_filters:\t1\n";
  };
  thread("7", "0");
  thread("8", "2");
  EXPECT_EQ(*ProcReader(root).strictly_confined(7), std::nullopt);
  thread("9", "1");
  EXPECT_EQ(*ProcReader(root).strictly_confined(7), 9);
  EXPECT_EQ(*ProcReader(root).strictly_confined(6), std::nullopt);  // gone
  fs::remove_all(root);
}

TEST(ProcReader, CpuLists) {
  EXPECT_EQ(count_cpu_list("0-3,8,10-11"), 7U);
  EXPECT_EQ(count_cpu_list("5"), 1U);
  EXPECT_FALSE(count_cpu_list(""));
  EXPECT_FALSE(count_cpu_list("3-1"));
  EXPECT_FALSE(count_cpu_list("0-x"));
}

TEST(ProcReader, ThisProcess) {
  const ProcReader proc;
  const auto stat = proc.stat(::getpid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "proc_test");
  const auto before = proc.handle_count(::getpid());
  const Fd more(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(proc.handle_count(::getpid()).value(), before.value() + 1);
  EXPECT_GT(proc.memory(::getpid())->resident, 0U);
}

TEST(ProcReader, OnlyFilesOpenForWritingNameAFileSystem) {
  const fs::path path = fs::temp_directory_path() / ("outrider-written-" + std::to_string(::getpid()));
  const Fd written(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(written.valid());
  struct stat status {};
  ASSERT_EQ(::fstat(written.get(), &status), 0);
  std::set<dev_t> devices;
  EXPECT_TRUE(ProcReader().written_file_systems(::getpid(), 1000, devices).fullest);
  EXPECT_TRUE(devices.contains(status.st_dev));
  fs::remove(path);

  // A child whose only regular file is open for reading.
  const pid_t child = ::fork();
  if (child == 0) {
    ::close_range(0, ~0U, 0);
    if (::open("/proc/self/exe", O_RDONLY) != 0) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  std::set<dev_t> none;
  while (ProcReader().handle_count(child).value_or(1) != 1) ::usleep(1000);
  ::usleep(20000);
  EXPECT_FALSE(ProcReader().written_file_systems(child, 1000, none).fullest);
  EXPECT_TRUE(none.empty());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(HostMetrics, DifferencesBetweenTwoMoments) {
  const MovingProc proc;
  HostMetrics host(proc.reader());
  const ResourceSample first = host.sample();
  EXPECT_FALSE(first.metrics.cpu_usage);
  EXPECT_THAT(first.unavailable, Contains("system_metrics.cpu_usage: no earlier sample to compare with"));
  EXPECT_DOUBLE_EQ(first.metrics.memory_usage.value(), 0.75);  // (8 GiB - 2 GiB) / 8 GiB
  EXPECT_DOUBLE_EQ(first.metrics.memory_total_mb.value(), 8192);
  EXPECT_DOUBLE_EQ(first.metrics.memory_used_mb.value(), 6144);
  EXPECT_EQ(first.metrics.thread_count, 321U);
  EXPECT_EQ(first.metrics.handle_count, 1504U);
  EXPECT_DOUBLE_EQ(first.metrics.uptime_seconds.value(), 5000.5);
  EXPECT_GE(first.metrics.disk_usage.value(), 0);
  EXPECT_LE(first.metrics.disk_usage.value(), 1);

  proc.at("t1");
  const ResourceMetrics second = host.sample().metrics;
  EXPECT_DOUBLE_EQ(second.cpu_usage.value(), 45);    // busy 60 + 24 + 6 of 60 + 24 + 6 + 100 + 10 ticks
  EXPECT_DOUBLE_EQ(second.cpu_steal.value(), 3);     // 6 of them
  EXPECT_DOUBLE_EQ(second.disk_read_mb.value(), 3);  // nvme0n1 4,096 and sda 2,048 sectors, partitions not again
  EXPECT_DOUBLE_EQ(second.disk_write_mb.value(), 4);
  EXPECT_DOUBLE_EQ(second.network_rx_mb.value(), 2);  // eth0 and eth1, loopback left out
  EXPECT_DOUBLE_EQ(second.network_tx_mb.value(), 0.5);
}

TEST(ProcessMetrics, SeveralProcessesThatComeAndGo) {
  if (::sysconf(_SC_CLK_TCK) != 100) GTEST_SKIP() << "the fixture's times are in 1/100 s";
  const MovingProc proc;
  ProcessMetrics target(proc.reader(), kData + "/none");
  const ResourceSample first = target.sample({100, 101, 999}, 1'000'000'000, HostFigures::read(proc.reader()));
  EXPECT_FALSE(first.metrics.cpu_usage);
  EXPECT_EQ(first.metrics.thread_count, 5U);
  // private 1024 + 512 pages, the larger shared part 2048
  EXPECT_DOUBLE_EQ(first.metrics.rss_mb.value(), pages_mib(1024 + 512 + 2048));
  EXPECT_DOUBLE_EQ(first.metrics.memory_usage.value(), first.metrics.rss_mb.value() / 8192);
  EXPECT_DOUBLE_EQ(first.metrics.uptime_seconds.value(), 1000);  // 5000.50 - 4000.50

  proc.at("t1");  // 101 is gone, 102 was born at 5001.00
  const ResourceSample second = target.sample({100, 101, 102}, 3'000'000'000, HostFigures::read(proc.reader()));
  const ResourceMetrics& metrics = second.metrics;
  EXPECT_DOUBLE_EQ(metrics.cpu_cores.value(), 1);  // (150 + 50 ticks) / 2 s
  EXPECT_DOUBLE_EQ(second.allowed_cores.value(), 2);
  EXPECT_DOUBLE_EQ(metrics.cpu_usage.value(), 50);
  EXPECT_DOUBLE_EQ(metrics.page_faults_per_second.value(), 75);  // (110 + 40) / 2
  EXPECT_DOUBLE_EQ(metrics.disk_read_mb.value(), 3);
  EXPECT_DOUBLE_EQ(metrics.disk_write_mb.value(), 1.5);
  EXPECT_DOUBLE_EQ(metrics.network_rx_mb.value(), 2);
  EXPECT_EQ(metrics.thread_count, 8U);
  EXPECT_EQ(metrics.handle_count, 3U);
  EXPECT_THAT(second.unavailable, Contains("target_metrics.throttled_seconds: the target has no CPU quota"));
}

TEST(ProcessMetrics, ControlGroupLimits) {
  const MovingProc proc;
  ProcessMetrics target(proc.reader(), kData + "/cgroup_v2");
  const ResourceSample first = target.sample({100}, 1'000'000'000, HostFigures::read(proc.reader()));
  EXPECT_DOUBLE_EQ(first.allowed_cores.value(), 0.5);
  EXPECT_DOUBLE_EQ(first.metrics.memory_total_mb.value(), 64);
  proc.at("t1");
  const ResourceSample second = target.sample({100}, 3'000'000'000, HostFigures::read(proc.reader()));
  EXPECT_DOUBLE_EQ(second.metrics.cpu_usage.value(), 100);  // 0.75 cores of 0.5: never above 100
  EXPECT_DOUBLE_EQ(second.metrics.throttled_seconds.value(), 0);
}

TEST(ProcessMetrics, FileSystemsOfWrittenFilesAreLookedUpEveryTenSeconds) {
  const MovingProc proc;
  ProcessMetrics target(proc.reader(), kData + "/none");
  const auto at_ns = [&](std::uint64_t now_ns) {
    return target.sample({100}, now_ns, HostFigures::read(proc.reader()));
  };
  const char* const none = "target_metrics.disk_usage: no file is open for writing";
  EXPECT_THAT(at_ns(1'000'000'000).unavailable, Contains(none));
  proc.at("t1");  // three files are open for writing now
  EXPECT_THAT(at_ns(10'999'999'999).unavailable, Contains(none));
  const ResourceSample later = at_ns(11'000'000'000);
  EXPECT_TRUE(later.metrics.disk_usage);
  EXPECT_THAT(later.unavailable, Not(Contains(none)));
}

TEST(ProcessMetrics, AProcessOlderThanItsMembershipCountsFromNow) {
  const MovingProc proc;
  ProcessMetrics target(proc.reader(), kData + "/none");
  (void)target.sample({101}, 1'000'000'000, HostFigures::read(proc.reader()));
  proc.at("t1");
  const ResourceMetrics metrics = target.sample({100}, 3'000'000'000, HostFigures::read(proc.reader())).metrics;
  EXPECT_DOUBLE_EQ(metrics.cpu_cores.value(), 0);
  EXPECT_DOUBLE_EQ(metrics.disk_read_mb.value(), 0);
}

TEST(ProcessMetrics, AllGone) {
  const MovingProc proc;
  ProcessMetrics target(proc.reader(), kData + "/none");
  const ResourceSample sample = target.sample({999}, 1, HostFigures::read(proc.reader()));
  EXPECT_FALSE(sample.metrics.rss_mb);
  EXPECT_THAT(sample.unavailable, Contains("target_metrics.rss_mb: the process is gone"));
}

TEST(ProcessMetrics, ManyProcessesAreNotAllSearchedForDescriptors) {
  const MovingProc proc;
  proc.at("t1");
  ProcessMetrics target(proc.reader(), kData + "/none");
  std::vector<pid_t> pids{100};
  for (pid_t pid = 1000; pid < 1100; ++pid) pids.push_back(pid);
  const ResourceSample sample = target.sample(pids, 1, HostFigures::read(proc.reader()));
  EXPECT_FALSE(sample.metrics.handle_count);
  EXPECT_THAT(sample.unavailable, Contains("target_metrics.handle_count: only 64 of 101 processes are looked at"));
}

TEST(CgroupLimits, TheTightestOnTheWayUp) {
  const ProcReader proc(kData + "/t0");
  const CgroupLimits v2 = cgroup_limits(proc, 100, kData + "/cgroup_v2");
  EXPECT_DOUBLE_EQ(v2.cpu_cores.value(), 0.5);
  EXPECT_EQ(throttled_ns(v2), 1'500'000'000U);
  EXPECT_EQ(v2.memory_bytes, 67108864U);
  const CgroupLimits v1 = cgroup_limits(proc, 200, kData + "/cgroup_v1");
  EXPECT_DOUBLE_EQ(v1.cpu_cores.value(), 1.5);
  EXPECT_EQ(throttled_ns(v1), 2'500'000'000U);
  EXPECT_EQ(v1.memory_bytes, 134217728U);
  const CgroupLimits outside = cgroup_limits(proc, 201, kData + "/cgroup_v2");
  EXPECT_FALSE(outside.cpu_cores);
  EXPECT_FALSE(outside.memory_bytes);
  EXPECT_FALSE(cgroup_limits(proc, 999, kData + "/cgroup_v2").cpu_cores);
}

}  // namespace
}  // namespace outrider
