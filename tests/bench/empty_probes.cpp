// The floor: programs that do nothing on the start and end sites of a process, until stdin ends.
#include <cstdio>
#include <cstdlib>

#include "userspace/kernel/bpf_session.h"
#include "userspace/target/probe_plan.h"
#include "userspace/target/process.h"
#include "userspace/target/profile.h"

namespace {

outrider::Status attach_and_wait(pid_t pid) {
  using namespace outrider;
  Result<BpfSession> session = BpfSession::make({});
  if (!session) return session.error();
  Result<Process> process = open_process(pid);
  if (!process) return process.error();
  Result<ProbeFiles> files = probe_files(*process);
  if (!files) return files.error();
  Result<std::vector<Profile>> profiles = builtin_profiles();
  if (!profiles) return profiles.error();
  const ElfProbes& elf = files->files.front().probes;
  Result<std::size_t> picked = pick_profile(elf, *profiles);
  if (!picked) return picked.error();
  Result<ProbePlan> plan = plan_probes(elf, (*profiles)[*picked], {.generation = uprobe_generation()});
  if (!plan) return plan.error();
  std::vector<ProbeSite> sites;
  for (const PlannedSite& planned : plan->sites) {
    if (planned.role != OUTRIDER_ROLE_QUERY_START && planned.role != OUTRIDER_ROLE_QUERY_END) continue;
    sites.push_back({.role = OUTRIDER_ROLES,
                     .group = 0,
                     .offset = planned.offset,
                     .ref_ctr_offset = planned.ref_ctr_offset,
                     .spec = {},
                     .name = planned.probe});
  }
  Result<ProbeSet> probes = session->make_probes(process->exe_fd_path(), sites);
  if (!probes) return probes.error();
  if (Status status = probes->attach(0); !status) return status;
  std::puts("attached");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return Ok{};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: empty-probes PID\n", stderr);
    return 2;
  }
  if (outrider::Status status = attach_and_wait(std::atoi(argv[1])); !status) {
    std::fprintf(stderr, "empty-probes: %s\n", status.error().message.c_str());
    return 1;
  }
  return 0;
}
