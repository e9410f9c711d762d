// What is given up is gone for the thread that gives it up and for what it starts, and for nobody else. As root this
// shows something; as another user there is nothing to give up, and the same has to hold.
#include "userspace/base/privileges.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "userspace/base/background_thread.h"
#include "userspace/notify/process.h"

namespace outrider {
namespace {

using Fields = std::map<std::string, std::string>;

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

Fields read_status(const std::string& path) {
  std::ifstream file(path);
  Fields status;
  for (std::string key; file >> key;) {
    std::string value;
    std::getline(file, value);
    status[key] = value;
  }
  return status;
}

Fields of_this_thread() { return read_status("/proc/thread-self/status"); }

std::uint64_t set_of(const Fields& status, const std::string& key) {
  const auto found = status.find(key + ":");
  EXPECT_NE(found, status.end()) << key;
  return found == status.end() ? 0 : std::stoull(found->second, nullptr, 16);
}

void expect_none(const Fields& status) {
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) EXPECT_EQ(set_of(status, set), 0U) << set;
}

void on_a_thread(Privileges privileges, const std::function<void()>& work) {
  Result<std::thread> thread = start_background_thread("test", privileges, work);
  ASSERT_TRUE(thread) << thread.error().message;
  thread->join();
}

/// For what cannot be taken back.
void in_a_child(const std::function<void()>& work) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    work();
    std::fflush(nullptr);
    _exit(testing::Test::HasFailure() ? EXIT_FAILURE : EXIT_SUCCESS);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "the child says why";
}

/// As a program sees itself that the calling thread starts.
Fields of_a_program() {
  std::string path = testing::TempDir() + "outrider-privileges-XXXXXX";
  const int file = mkstemp(path.data());
  EXPECT_GE(file, 0);
  close(file);
  const auto ended =
      run_process({{"/bin/sh", "-c", "cat /proc/self/status >" + path}, {}, std::chrono::seconds(10), {}});
  EXPECT_TRUE(ended) << ended.error().message;
  Fields status = read_status(path);
  std::filesystem::remove(path);
  return status;
}

TEST(Privileges, AThreadWithoutThemHasNoneAndTheOthersKeepTheirs) {
  const Fields before = of_this_thread();
  on_a_thread(Privileges::kNone, [] { expect_none(of_this_thread()); });
  on_a_thread(Privileges::kOfTheAgent,
              [&] { EXPECT_EQ(set_of(of_this_thread(), "CapEff"), set_of(before, "CapEff")); });
  EXPECT_EQ(set_of(of_this_thread(), "CapEff"), set_of(before, "CapEff"));
}

TEST(Privileges, WhatIsKeptIsKeptAndNothingElse) {
  const std::uint64_t had = set_of(of_this_thread(), "CapPrm");
  const bool may_cut = (set_of(of_this_thread(), "CapEff") & bit(CAP_SETPCAP)) != 0;
  const std::uint64_t wanted = bit(CAP_LEASE) | bit(CAP_DAC_READ_SEARCH);
  in_a_child([&] {
    const auto kept = keep_capabilities({CAP_LEASE, CAP_DAC_READ_SEARCH});
    ASSERT_TRUE(kept) << kept.error().message;
    const Fields now = of_this_thread();
    EXPECT_EQ(set_of(now, "CapPrm"), had & wanted);
    EXPECT_EQ(set_of(now, "CapEff"), had & wanted);
    EXPECT_EQ(set_of(now, "CapInh"), 0U);
    EXPECT_EQ(set_of(now, "CapAmb"), 0U);
    EXPECT_EQ(set_of(now, "NoNewPrivs"), 1U);
    if (may_cut) {
      EXPECT_EQ(set_of(now, "CapBnd"), wanted);
    }
    on_a_thread(Privileges::kOfTheAgent, [&] { EXPECT_EQ(set_of(of_this_thread(), "CapEff"), had & wanted); });
    on_a_thread(Privileges::kNone, [] { expect_none(of_this_thread()); });
  });
}

// A program of root's has all of the bounding set when it begins, unless no_new_privs holds it to what its starter has.
TEST(Privileges, AProgramThatSuchAThreadStartsHasNoneEither) {
  in_a_child([] {
    ASSERT_TRUE(keep_capabilities({CAP_LEASE, CAP_DAC_READ_SEARCH}));
    on_a_thread(Privileges::kNone, [] { expect_none(of_a_program()); });
  });
}

TEST(Privileges, ARefusalIsExplainedToRootAloneAndOnlyOnceItHasGivenThemUp) {
  EXPECT_EQ(advice_on_refusal(ENOENT), "");
  if (geteuid() == 0 && (set_of(of_this_thread(), "CapEff") & bit(CAP_DAC_OVERRIDE)) != 0) {
    EXPECT_EQ(advice_on_refusal(EACCES), "");
  }
  on_a_thread(Privileges::kNone, [] { EXPECT_EQ(advice_on_refusal(EACCES).empty(), geteuid() != 0); });
}

}  // namespace
}  // namespace outrider
