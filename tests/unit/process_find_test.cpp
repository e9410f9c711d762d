#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/unit/elf_builder.h"
#include "userspace/target/process.h"
#include "userspace/target/procfs_text.h"

namespace outrider {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

/// A directory that is gone at the end.
class TempDirectory {
 public:
  TempDirectory() : path_((fs::temp_directory_path() / "process-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~TempDirectory() { fs::remove_all(path_); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// A child that sleeps until the test ends.
class Child {
 public:
  explicit Child(const std::string& path) : pid_(fork()) {
    if (pid_ == 0) {
      execl(path.c_str(), path.c_str(), "1000", nullptr);
      _exit(127);
    }
    wait_for_exec(path);
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  void wait_for_exec(const std::string& path) const {
    std::error_code code;
    for (int i = 0; i < 1000; ++i) {
      if (fs::read_symlink("/proc/" + std::to_string(pid_) + "/exe", code) == fs::canonical(path, code)) return;
      usleep(1000);
    }
    ADD_FAILURE() << path << " does not start";
  }
  pid_t pid_;
};

std::string copy_of_sleep(const TempDirectory& directory, const std::string& name) {
  fs::copy_file("/bin/sleep", directory / name);
  return directory / name;
}

TEST(ProcessFind, by_pid) {
  const TempDirectory directory;
  const std::string path = copy_of_sleep(directory, "engine-by-pid");
  const Child child(path);
  const auto process = open_process(child.pid());
  ASSERT_TRUE(process) << process.error().message;
  EXPECT_EQ(process->pid, child.pid());
  EXPECT_TRUE(process->pidfd.valid());
  EXPECT_EQ(process->exe_path, path);
  EXPECT_FALSE(process->exe_deleted);
  EXPECT_EQ(process->comm, "engine-by-pid");
  EXPECT_EQ(process->threads, 1U);
  EXPECT_GT(process->start_ticks, 0U);
  struct stat there {
  }, ours{};
  ASSERT_EQ(stat(path.c_str(), &there), 0);
  ASSERT_EQ(stat(process->exe_fd_path().c_str(), &ours), 0);
  EXPECT_EQ(there.st_ino, ours.st_ino);
}

TEST(ProcessFind, deleted_and_replaced_executables) {
  const TempDirectory directory;
  const std::string path = copy_of_sleep(directory, "engine-old");
  const Child child(path);
  fs::remove(path);
  auto found = find_by_exe(path);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 1U);
  EXPECT_TRUE((*found)[0].exe_deleted);
  EXPECT_EQ((*found)[0].exe_path, path);
  EXPECT_TRUE(read_probes((*found)[0].exe.get(), "deleted"));

  copy_of_sleep(directory, "engine-old");  // the upgrade
  found = find_by_exe(path);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ((*found)[0].pid, child.pid());
  const auto by_name = find_by_name("engine-old");
  ASSERT_TRUE(by_name);
  EXPECT_EQ(by_name->size(), 1U);
}

TEST(ProcessFind, by_exe_and_name_finds_all) {
  const TempDirectory directory;
  const std::string path = copy_of_sleep(directory, "engine-with-a-name-longer-than-comm");
  const Child one(path), two(path);
  const auto by_exe = find_by_exe(path);
  ASSERT_TRUE(by_exe);
  EXPECT_EQ(by_exe->size(), 2U);
  fs::create_symlink(path, directory / "link");
  EXPECT_EQ(find_by_exe(directory / "link")->size(), 2U);
  EXPECT_EQ(find_by_name("engine-with-a-name-longer-than-comm")->size(), 2U);
  EXPECT_EQ(find_by_name("engine-with-a-n")->size(), 2U);  // comm holds 15 bytes
  EXPECT_TRUE(find_by_name("no-such-engine-anywhere")->empty());
}

TEST(ProcessFind, by_exe_before_it_runs) {
  const TempDirectory directory;
  const std::string path = copy_of_sleep(directory, "later");
  const auto none = find_by_exe(path);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
  const auto missing = find_by_exe(directory / "missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ENOENT);
}

TEST(ProcessFind, no_such_process) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  waitpid(pid, nullptr, 0);
  for (const pid_t gone : {pid, 0, -1}) {
    const auto process = open_process(gone);
    ASSERT_FALSE(process);
    EXPECT_THAT(process.error().message, HasSubstr("no process has PID"));
  }
}

TEST(ProcessFind, zombie) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  const auto process = open_process(pid);
  waitpid(pid, nullptr, 0);
  ASSERT_FALSE(process);
  EXPECT_THAT(process.error().message, HasSubstr("ended already"));
}

TEST(ProcessFind, without_privileges_the_message_names_them) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to give it up";
  const TempDirectory directory;
  const std::string path = copy_of_sleep(directory, "engine-of-root");
  const Child child(path);
  const pid_t other = fork();
  if (other == 0) {
    constexpr uid_t kNobody = 65534;
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) _exit(2);
    const auto refused = [](const Error& error) { return error.message.find("CAP_SYS_PTRACE") != std::string::npos; };
    const auto by_pid = open_process(child.pid());
    const auto by_name = find_by_name("engine-of-root");
    const auto by_exe = find_by_exe(path);
    const bool all = !by_pid && refused(by_pid.error()) && !by_name && refused(by_name.error()) && !by_exe &&
                     refused(by_exe.error());
    _exit(all ? 0 : 1);
  }
  int status = -1;
  waitpid(other, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(ProcessFind, files_with_probes) {
  const TempDirectory directory;
  const Child child(copy_of_sleep(directory, "engine-files"));
  const auto process = open_process(child.pid());
  ASSERT_TRUE(process);
  usleep(50000);  // the dynamic linker is at work until then
  const auto files = probe_files(*process);
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_GE(files->files.size(), 1U);
  EXPECT_EQ(files->files[0].path, process->exe_path);
  for (std::size_t i = 1; i < files->files.size(); ++i) EXPECT_FALSE(files->files[i].probes.probes.empty());
  EXPECT_TRUE(files->unreadable.empty());
}

/// A procfs of files: one process 41 with what the test wants.
class FakeProcfs : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root() + "/41");
    write("41/stat", stat_line("engine", 'S', 0x400000));
    write("41/comm", "engine\n");
  }
  [[nodiscard]] std::string root() const { return directory_ / "proc"; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(root() + "/" + name) << text; }
  static std::string stat_line(const std::string& comm, char state, unsigned flags) {
    return "41 (" + comm + ") " + state + " 1 41 41 0 -1 " + std::to_string(flags) +
           " 9 9 9 9 1 2 3 4 20 0 17 0 123456 1000 10 0\n";
  }
  void write_exe(const std::string& bytes) const { std::ofstream(root() + "/41/exe", std::ios::binary) << bytes; }
  TempDirectory directory_;
};

TEST_F(FakeProcfs, stat_with_a_comm_that_hurts) {
  write("41/stat", stat_line("a) R 1 (b", 'S', 0));
  write_exe("x");
  const auto process = open_process(41, root());
  ASSERT_TRUE(process) << process.error().message;
  EXPECT_EQ(process->comm, "a) R 1 (b");
  EXPECT_EQ(process->threads, 17U);
  EXPECT_EQ(process->start_ticks, 123456U);
}

TEST_F(FakeProcfs, kernel_thread) {
  write("41/stat", stat_line("kworker/0:1", 'I', 0x200000));
  EXPECT_THAT(open_process(41, root()).error().message, HasSubstr("kernel thread"));
}

TEST_F(FakeProcfs, damaged_stat_is_an_error) {
  write("41/stat", "41 (engine");
  EXPECT_THAT(open_process(41, root()).error().message, HasSubstr("cannot be understood"));
  write("41/stat", "41 (engine) S 1 2");
  EXPECT_THAT(open_process(41, root()).error().message, HasSubstr("cannot be understood"));
}

TEST_F(FakeProcfs, executable_that_is_no_elf_file) {
  write_exe("#!/bin/sh\n");
  const auto process = open_process(41, root());
  ASSERT_TRUE(process);
  EXPECT_THAT(probe_files(*process, {}, root()).error().message, HasSubstr("not an ELF file"));
  std::string elf32 = build_elf({});
  elf32[EI_CLASS] = ELFCLASS32;
  write_exe(elf32);
  EXPECT_THAT(probe_files(*open_process(41, root()), {}, root()).error().message, HasSubstr("32-bit"));
}

TEST_F(FakeProcfs, library_with_probes_through_the_root_of_the_process) {
  write_exe(build_elf({}));
  fs::create_directories(root() + "/41/root/opt/lib dir");
  const std::string library = root() + "/41/root/opt/lib dir/libkg.so";
  std::ofstream(library, std::ios::binary) << build_elf({.notes = stapsdt_note({})});
  struct stat status {};
  ASSERT_EQ(stat(library.c_str(), &status), 0);
  char device[32];
  snprintf(device, sizeof(device), "%02x:%02x", major(status.st_dev), minor(status.st_dev));
  const std::string inode = std::to_string(status.st_ino);
  write("41/maps", std::string("7f0000000000-7f0000001000 r-xp 00001000 ") + device + " " + inode +
                       "    /opt/lib dir/libkg.so\n"
                       "7f0000002000-7f0000003000 r-xp 00002000 " +
                       device + " " + inode +
                       "    /opt/lib dir/libkg.so\n"
                       "7f0000004000-7f0000005000 r-xp 00000000 " +
                       device +
                       " 99999999    /opt/lib dir/libkg.so\n"
                       "7f0000006000-7f0000007000 r-xp 00000000 00:00 0 \n"
                       "7fff00000000-7fff00001000 r-xp 00000000 00:00 0  [vdso]\n"
                       "garbage\n");
  const auto process = open_process(41, root());
  ASSERT_TRUE(process) << process.error().message;
  const auto files = probe_files(*process, {}, root());
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->files.size(), 2U);
  EXPECT_EQ(files->files[1].path, "/opt/lib dir/libkg.so");
  EXPECT_EQ(files->files[1].probes.probes.size(), 1U);
  ASSERT_EQ(files->unreadable.size(), 1U);
  EXPECT_THAT(files->unreadable[0], HasSubstr("replaced"));
}

TEST_F(FakeProcfs, a_shadow_stack_is_seen) {
  write_exe(build_elf({}));
  const auto seen = [&](const std::string& status) {
    write("41/status", status);
    const auto files = probe_files(*open_process(41, root()), {}, root());
    return files && files->shadow_stack;
  };
  EXPECT_TRUE(seen("Name:\tengine\nx86_Thread_features:\tshstk wrss \nx86_Thread_features_locked:\t\n"));
  EXPECT_FALSE(seen("Name:\tshstk\nx86_Thread_features:\t\nx86_Thread_features_locked:\tshstk \n"));
  EXPECT_FALSE(seen("Name:\tengine\n"));
}

TEST_F(FakeProcfs, key_comes_from_the_kernels_own_numbers) {
  const Fd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  fs::create_directories(root() + "/self/fdinfo");
  write("self/fdinfo/" + std::to_string(fd.get()), "pos:\t0\nflags:\t02\nmnt_id:\t77\nino:\t4242\n");
  write("self/mountinfo", "76 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  write("41/mountinfo", "77 76 0:53 / / rw - overlay overlay rw\n");
  const auto key = file_key(fd, root(), 41);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->device, 53U);  // major 0, minor 53
  EXPECT_EQ(key->inode, 4242U);
  write("41/mountinfo", "77 76 8:3 / / rw - ext4 x rw\n");
  EXPECT_EQ(file_key(fd, root(), 41)->device, (8U << 20) | 3U);
}

TEST(ProcfsText, words) {
  EXPECT_THAT(split_words("  a\tb \n c"), ::testing::ElementsAre("a", "b", "c"));
  EXPECT_THAT(split_words(""), ::testing::IsEmpty());
}

// Of processes that cannot be opened for want of descriptors nobody may think that they have ended.
TEST(ProcessFind, all_or_that_no_descriptors_are_left) {
  const TempDirectory directory;
  const std::string engine = copy_of_sleep(directory, "engine");
  const Child first(engine), second(engine), third(engine);
  rlimit usual{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  const int lowest = Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)).get();
  std::set<std::size_t> seen;
  for (rlim_t room = 1; room < 12; ++room) {
    const rlimit low{static_cast<rlim_t>(lowest) + room, usual.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    const Result<std::vector<Process>> found = find_by_exe(engine);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
    if (!found) {
      EXPECT_EQ(found.error().code, EMFILE) << found.error().message;
    }
    seen.insert(found ? found->size() : 0);
  }
  EXPECT_EQ(seen, (std::set<std::size_t>{0, 3}));
}

}  // namespace
}  // namespace outrider
