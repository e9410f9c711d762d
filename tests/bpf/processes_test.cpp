// Which processes belong to a target, as the kernel keeps it between two looks of the agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "outrider/query.hpp"
#include "tests/bpf/session_fixture.h"

namespace outrider {
namespace {

pid_t start_sleep(std::string seconds, const char* path = "/bin/sleep") {
  std::string name = path;
  char* const words[] = {name.data(), seconds.data(), nullptr};
  pid_t pid = 0;
  if (posix_spawn(&pid, path, nullptr, nullptr, words, environ) != 0) throw std::runtime_error("no sleep");
  return pid;
}

// posix_spawn() returns when the kernel lets go of the old memory, before the process has its new file and name and
// before the kernel's programs hear of the exec: who sleeps under the new name is past all that.
pid_t asleep(pid_t pid, const std::string& name) {
  for (int i = 0; i < 500; ++i) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(stat, line);
    if (line.find("(" + name.substr(0, 15) + ") S ") != std::string::npos) return pid;
    usleep(10'000);
  }
  throw std::runtime_error(name + " does not sleep");
}

void end(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

FileKey file_of_sleep() {
  const pid_t sleeper = asleep(start_sleep("30"), "sleep");
  const FileKey program = must(open_process(sleeper)).exe_key;
  end(sleeper);
  return program;
}

// It forks all the time, and its forks become a program that is watched too.
TEST_P(Session, NoProcessStaysWithATargetThatIsRemoved) {
  open();
  session().remove_target(target_);
  const FileKey program = file_of_sleep();
  const auto spawn = [](const std::stop_token& stop) {
    while (!stop.stop_requested()) waitpid(start_sleep("0.002"), nullptr, 0);
  };
  const std::jthread spawners[] = {std::jthread(spawn), std::jthread(spawn), std::jthread(spawn)};
  for (int i = 0; i < 200; ++i) {
    const std::uint32_t target = must(session().add_target());
    must(session().watch_process(getpid(), target));
    must(session().watch_executable(program.device, program.inode, target));
    session().remove_target(target);
    ASSERT_THAT(session().processes(target), testing::IsEmpty());
  }
}

// As Redis's sentinel is the server's file by another name, and any script is its interpreter's.
TEST_P(Session, WhoRunsTheFileUnderAnotherNameIsNoPartOfATargetByName) {
  open();
  { const outrider::Query probes_of_its_own("own"); }
  const FileKey program = file_of_sleep();
  must(session().watch_executable(program.device, program.inode, target_, 0, "sleep"));
  const std::string other = "sentinel-" + std::to_string(getpid());
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / other;
  std::filesystem::create_symlink("/bin/sleep", file);
  const std::vector<pid_t> started = {asleep(start_sleep("30"), "sleep"),
                                      asleep(start_sleep("30", file.c_str()), other),
                                      asleep(start_sleep("30"), "sleep")};
  EXPECT_THAT(session().processes(target_), testing::UnorderedElementsAre(getpid(), started.front(), started.back()));
  for (const pid_t pid : started) end(pid);
  std::filesystem::remove(file);
}

INSTANTIATE_TEST_SUITE_P(Processes, Session, testing::Values(ways_to_attach().front()), name_of_way);

}  // namespace
}  // namespace outrider
