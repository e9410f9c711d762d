// This very program under watch, by every way to attach that the kernel has.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "userspace/kernel/bpf_session.h"
#include "userspace/kernel/features.h"
#include "userspace/target/probe_plan.h"
#include "userspace/target/process.h"
#include "userspace/target/uprobe_generation.h"

namespace outrider {

inline unsigned number(ProbeGroup group) { return static_cast<unsigned>(group); }

/// The value; without one GoogleTest has the test fail with the reason.
template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

/// This process under watch. Parameter: uprobe_multi, or a perf event a site.
class Session : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::debug);  // what the verifier says, where it refuses a program
    if (const Status can = check_features(probe_features()); !can) GTEST_SKIP() << can.error().message;
  }

  // What the tests stand on throws when it cannot be had: a test that went on would look into a session that is none.
  void open(SessionOptions options = {}) {
    options.use_uprobe_multi = GetParam();
    session_ = std::make_unique<BpfSession>(must(BpfSession::make(options)));
    target_ = must(session_->add_target());
    self_ = must(open_process(getpid()));
    session_->set_executable(target_, self_.exe_key.device, self_.exe_key.inode);
    must(session_->watch_process(getpid(), target_));
    must(session_->set_mode(target_, OUTRIDER_MODE_FULL));
    plan();
  }

  // `file`: bit of the file that the probes are said to be in.
  void plan(std::uint64_t file = 0) {
    const ElfProbes elf = must(read_probes(self_.exe.get(), "this test"));
    const std::vector<Profile> profiles = must(builtin_profiles());
    const ProbePlan plan = must(plan_probes(elf, profiles.at(must(pick_profile(elf, profiles))),
                                            {.generation = uprobe_generation(), .allow_nop5 = false}));
    std::vector<ProbeSite> sites;
    sites.reserve(plan.sites.size());
    for (const PlannedSite& site : plan.sites) {
      sites.push_back({.role = site.role,
                       .group = number(site.group),
                       .offset = site.offset,
                       .ref_ctr_offset = site.ref_ctr_offset,
                       .spec = site.spec,
                       .name = site.probe});
      sites.back().spec.file = file;
      if (tag_ != 0) sites.back().spec.tag = tag_;
    }
    probes_ = must(session_->make_probes(self_.exe_fd_path(), sites));
  }

  void attach(std::initializer_list<ProbeGroup> groups) {
    for (const ProbeGroup group : groups) must(probes_.attach(number(group)));
    must(session_->next_interval());
  }
  void attach_all() {
    attach({ProbeGroup::kQuery, ProbeGroup::kStart, ProbeGroup::kPhase, ProbeGroup::kCache});
    session().set_complete(target_, true);
    session().set_phases_complete(target_, true);
  }

  TargetCounters counters() {
    EXPECT_TRUE(session_->next_interval());
    return session_->read(target_);
  }

  BpfSession& session() { return *session_; }

  std::unique_ptr<BpfSession> session_;
  std::uint32_t target_ = 0;
  std::uint32_t tag_ = 0;  ///< of all sites, if it is set before open(): as a profile gives them to foreign probes
  Process self_;
  ProbeSet probes_;
};

inline TypeCounters type_of(const TargetCounters& counters, const std::string& name, bool nested = false) {
  const auto found = std::find_if(counters.types.begin(), counters.types.end(),
                                  [&](const TypeCounters& type) { return type.type == name && type.nested == nested; });
  return found == counters.types.end() ? TypeCounters{} : *found;
}

inline std::vector<bool> ways_to_attach() {
  if (probe_features().uprobe_multi) return {true, false};
  return {false};
}

inline std::string name_of_way(const testing::TestParamInfo<bool>& test) { return test.param ? "multi" : "perf"; }

}  // namespace outrider
