// Which processes belong to a target, as the kernel keeps it between two looks of the agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
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

FileKey file_of_sleep() {
  const pid_t sleeper = start_sleep("0.5");
  const FileKey program = must(open_process(sleeper)).exe_key;
  waitpid(sleeper, nullptr, 0);
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
  const std::string other = testing::TempDir() + "sentinel-" + std::to_string(getpid());
  std::filesystem::create_symlink("/bin/sleep", other);
  const std::vector<pid_t> started = {start_sleep("30"), start_sleep("30", other.c_str()), start_sleep("30")};
  std::vector<pid_t> joined = session().processes(target_);
  for (int i = 0; i < 500 && joined.size() < 3; ++i) {
    usleep(10'000);
    joined = session().processes(target_);
  }
  EXPECT_THAT(joined, testing::UnorderedElementsAre(getpid(), started.front(), started.back()));
  for (const pid_t pid : started) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  std::filesystem::remove(other);
}

INSTANTIATE_TEST_SUITE_P(Processes, Session, testing::Values(ways_to_attach().front()), name_of_way);

}  // namespace
}  // namespace outrider
