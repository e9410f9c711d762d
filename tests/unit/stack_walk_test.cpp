// The callers of a thread of another process that waits, by its registers and memory.
#include "userspace/symbols/stack_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/symbols/symbolizer.h"

// Not inlined, not merged, not turned into jumps: each is a frame.
extern "C" {
__attribute__((noinline)) void walk_innermost(int end) {
  char byte = 0;
  while (read(end, &byte, 1) == 1) {
  }
  asm volatile("" ::: "memory");
}
__attribute__((noinline)) void walk_middle(int end) {
  walk_innermost(end);
  asm volatile("" ::: "memory");
}
__attribute__((noinline)) void walk_outermost(int end) {
  volatile char room[300];  // a frame that is not the smallest
  room[0] = 1;
  walk_middle(end);
  room[1] = room[0];
}
}

namespace outrider {
namespace {

#if defined(__x86_64__)
/// A child that waits in walk_innermost().
class Waiting {
 public:
  Waiting() {
    EXPECT_EQ(pipe(ends_), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends_[1]);
      walk_outermost(ends_[0]);
      _exit(0);
    }
    close(ends_[0]);
  }
  ~Waiting() {
    close(ends_[1]);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void wake() const { EXPECT_EQ(write(ends_[1], "x", 1), 1); }

  [[nodiscard]] std::uint64_t switches() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    std::uint64_t sum = 0;
    for (std::string line; std::getline(status, line);) {
      if (line.find("ctxt_switches:") != std::string::npos) sum += std::stoull(line.substr(line.find(':') + 1));
    }
    return sum;
  }

  /// Registers as the debugger sees them, and how often it was switched once it waits again.
  [[nodiscard]] EntryRegisters registers() const {
    wait_until_it_sleeps();
    user_regs_struct regs{};
    EXPECT_EQ(ptrace(PTRACE_ATTACH, pid_, nullptr, nullptr), 0);
    waitpid(pid_, nullptr, 0);
    EXPECT_EQ(ptrace(PTRACE_GETREGS, pid_, nullptr, &regs), 0);
    EXPECT_EQ(ptrace(PTRACE_DETACH, pid_, nullptr, nullptr), 0);
    wait_until_it_sleeps();
    return {.ip = regs.rip, .sp = regs.rsp, .fp = regs.rbp, .switches = switches()};
  }

 private:
  void wait_until_it_sleeps() const {
    for (int i = 0; i < 1000; ++i) {
      std::ifstream stat("/proc/" + std::to_string(pid_) + "/syscall");
      std::string first;
      if (stat >> first && first == "0") {  // read
        usleep(20'000);
        return;
      }
      usleep(5'000);
    }
    ADD_FAILURE() << "it does not wait";
  }

  int ends_[2] = {-1, -1};
  pid_t pid_ = -1;
};

std::vector<std::string> names_of(const Waiting& child, const WalkedStack& walked) {
  Symbolizer symbolizer;
  return name_user_stack(symbolizer, child.pid(), walked.frames, walked.whole).names;
}

TEST(StackWalk, GoesFromTheSystemCallToMain) {
  const Waiting child;
  StackWalker walker;
  const Result<WalkedStack> walked = walker.walk(child.pid(), child.pid(), child.registers());
  ASSERT_TRUE(walked) << walked.error().message;
  EXPECT_TRUE(walked->whole);
  const std::vector<std::string> names = names_of(child, *walked);
  ASSERT_GE(names.size(), 5U);
  const auto innermost = std::find(names.begin(), names.end(), "walk_innermost");
  ASSERT_NE(innermost, names.end()) << testing::PrintToString(names);
  ASSERT_GE(names.end() - innermost, 3);
  EXPECT_LE(innermost - names.begin(), 2) << "the C library's read";
  EXPECT_EQ(innermost[1], "walk_middle");
  EXPECT_EQ(innermost[2], "walk_outermost");
  EXPECT_THAT(names, testing::Contains("main"));
}

TEST(StackWalk, OfAThreadThatHasRunMeanwhileIsNone) {
  const Waiting child;
  StackWalker walker;
  const EntryRegisters registers = child.registers();
  child.wake();
  for (int i = 0; i < 1000 && child.switches() == registers.switches; ++i) usleep(5'000);
  const Result<WalkedStack> walked = walker.walk(child.pid(), child.pid(), registers);
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().message, "it has run meanwhile");
}

// The number of switches alone would not tell: a thread that was woken and has not left its CPU since has the same.
TEST(StackWalk, OfAThreadThatRunsIsNone) {
  const pid_t spinning = fork();
  if (spinning == 0) {
    for (;;) asm volatile("" ::: "memory");
  }
  StackWalker walker;
  const std::string status = "/proc/" + std::to_string(spinning) + "/status";
  for (int i = 0; i < 20; ++i) {
    std::uint64_t sum = 0;
    std::ifstream file(status);
    for (std::string line; std::getline(file, line);) {
      if (line.find("ctxt_switches:") != std::string::npos) sum += std::stoull(line.substr(line.find(':') + 1));
    }
    EXPECT_FALSE(walker.walk(spinning, spinning, {.ip = 1, .sp = 1, .fp = 1, .switches = sum}));
  }
  kill(spinning, SIGKILL);
  waitpid(spinning, nullptr, 0);
}

TEST(StackWalk, OfGarbageEndsWithAnError) {
  const Waiting child;
  StackWalker walker;
  EntryRegisters registers = child.registers();
  for (const std::uint64_t sp : {std::uint64_t{0}, std::uint64_t{8}, ~std::uint64_t{0}, registers.ip}) {
    const EntryRegisters wrong{.ip = registers.ip, .sp = sp, .fp = sp, .switches = registers.switches};
    const Result<WalkedStack> walked = walker.walk(child.pid(), child.pid(), wrong);
    ASSERT_TRUE(walked);
    EXPECT_FALSE(walked->whole);
    EXPECT_LE(walked->frames.size(), std::size_t{OUTRIDER_USER_FRAMES});
  }
  registers.ip = 42;
  const Result<WalkedStack> nowhere = walker.walk(child.pid(), child.pid(), registers);
  ASSERT_TRUE(nowhere);
  EXPECT_TRUE(nowhere->frames.empty());
}
#endif

TEST(StackWalk, OfNoProcessIsAnError) {
  StackWalker walker;
  EXPECT_FALSE(walker.walk(4'194'304, 4'194'304, {}));
}

}  // namespace
}  // namespace outrider
