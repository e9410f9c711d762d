#include "userspace/target/cgroup.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace outrider {
namespace {

namespace fs = std::filesystem;

/// Directories like those of a hierarchy, and a process of our own whose PID stands in them.
class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "cgroup-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    for (pid_t& child : children_) {
      child = fork();
      if (child == 0) {
        pause();
        _exit(0);
      }
      ASSERT_GT(child, 0);
    }
    group("system.slice/db.service", "");
    group("system.slice/db.service/main", std::to_string(children_[0]) + "\n");
    group("user.slice/db.service", std::to_string(children_[1]) + "\n" + std::to_string(getpid()) + "\n0\n");
    group("system.slice/other.service", std::to_string(getppid()) + "\n");
  }

  void TearDown() override {
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    fs::remove_all(root_);
  }

  void group(const std::string& path, const std::string& procs) const {
    fs::create_directories(root_ / path);
    std::ofstream(root_ / path / "cgroup.procs") << procs;
  }

  [[nodiscard]] static std::vector<pid_t> pids(const Result<std::vector<Process>>& found) {
    std::vector<pid_t> result;
    if (!found) return {-1};
    for (const Process& process : *found) result.push_back(process.pid);
    return result;
  }

  [[nodiscard]] CgroupRoots roots() const { return {.procfs = "/proc", .mount = root_.string()}; }
  [[nodiscard]] std::vector<pid_t> both() const {
    return {std::min(children_[0], children_[1]), std::max(children_[0], children_[1])};
  }

  fs::path root_;
  pid_t children_[2] = {};
};

TEST_F(CgroupTest, AGroupHoldsTheProcessesOfThoseBelow) {
  const std::vector<pid_t> first{children_[0]};
  EXPECT_EQ(pids(find_by_cgroup("/system.slice/db.service", roots())), first);
  EXPECT_EQ(pids(find_by_cgroup("system.slice/db.service/main", roots())), first);
  EXPECT_EQ(pids(find_by_cgroup((root_ / "system.slice/db.service").string(), roots())), first);
}

TEST_F(CgroupTest, AUnitIsFoundWhereverItIs) {
  EXPECT_EQ(pids(find_by_unit("db", roots())), both());
  EXPECT_EQ(pids(find_by_unit("db.service", roots())), both());
}

TEST_F(CgroupTest, WhatIsNotThereMayCome) {
  EXPECT_TRUE(pids(find_by_unit("absent", roots())).empty());
  EXPECT_TRUE(pids(find_by_cgroup("/absent", roots())).empty());
}

// They go while one of them is visited: that one is about to be entered, and others may be listed already.
TEST_F(CgroupTest, GroupsThatVanishMeanwhileHideNoOther) {
  constexpr int kEach = 16;
  std::set<fs::path> kept;
  std::set<fs::path> vanishing;
  for (int i = 0; i < kEach; ++i) {
    kept.insert(root_ / ("kept" + std::to_string(i)) / "below");
    vanishing.insert(root_ / ("vanishing" + std::to_string(i)));
    group("kept" + std::to_string(i) + "/below", "");
    group("vanishing" + std::to_string(i), "");
  }
  std::set<fs::path> missed = kept;
  walk_groups(root_, [&](const fs::path& directory) {
    missed.erase(directory);
    if (!vanishing.contains(directory)) return;
    for (const fs::path& each : vanishing) fs::remove_all(each);
  });
  EXPECT_FALSE(fs::exists(*vanishing.begin()));
  EXPECT_TRUE(missed.empty()) << missed.size() << " groups, one of them " << *missed.begin();
}

TEST_F(CgroupTest, BadNamesAreErrors) {
  EXPECT_FALSE(find_by_unit("", roots()));
  EXPECT_FALSE(find_by_unit("a/b", roots()));
  EXPECT_FALSE(find_by_cgroup("", roots()));
}

TEST_F(CgroupTest, NoHierarchyIsAnError) {
  fs::create_directories(root_ / "proc/self");
  std::ofstream(root_ / "proc/self/mounts") << "proc /proc proc rw 0 0\n";
  const auto found = find_by_unit("db", {.procfs = (root_ / "proc").string(), .mount = {}});
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("no control group hierarchy"), std::string::npos);
}

TEST_F(CgroupTest, TheMountIsReadFromProcfs) {
  fs::create_directories(root_ / "proc/self");
  std::ofstream(root_ / "proc/self/mounts")
      << "cgroup /nowhere cgroup rw,name=systemd 0 0\ncgroup2 " << root_.string() << " cgroup2 rw 0 0\n";
  for (const pid_t pid : children_)
    fs::create_directory_symlink("/proc/" + std::to_string(pid), root_ / "proc" / std::to_string(pid));
  EXPECT_EQ(pids(find_by_unit("db", {.procfs = (root_ / "proc").string(), .mount = {}})), both());
}

}  // namespace
}  // namespace outrider
