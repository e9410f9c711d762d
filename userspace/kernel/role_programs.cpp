#include "userspace/kernel/role_programs.h"

#include <bpf/libbpf.h>

#include <algorithm>

#include "outrider.skel.h"

namespace outrider {
namespace {

using Programs = decltype(outrider_bpf::progs);

struct RoleProgram {
  outrider_role role;
  bpf_program* Programs::*program;
  outrider_run run;
};

constexpr RoleProgram kRolePrograms[] = {
    {OUTRIDER_ROLE_QUERY_START, &Programs::handle_query_start, OUTRIDER_RUN_START},
    {OUTRIDER_ROLE_QUERY_END, &Programs::handle_query_end, OUTRIDER_RUN_END},
    {OUTRIDER_ROLE_QUERY_SWITCH, &Programs::handle_query_switch, OUTRIDER_RUN_SWITCH},
    {OUTRIDER_ROLE_QUERY_FAILED, &Programs::handle_query_failed, OUTRIDER_RUN_STATEMENT},
    {OUTRIDER_ROLE_STATEMENT, &Programs::handle_statement, OUTRIDER_RUN_STATEMENT},
    {OUTRIDER_ROLE_STATEMENT_OK, &Programs::handle_statement_ok, OUTRIDER_RUN_STATEMENT},
    {OUTRIDER_ROLE_PHASE_START, &Programs::handle_phase_start, OUTRIDER_RUN_PHASE},
    {OUTRIDER_ROLE_PHASE_END, &Programs::handle_phase_end, OUTRIDER_RUN_PHASE},
    {OUTRIDER_ROLE_CACHE, &Programs::handle_cache, OUTRIDER_RUN_CACHE},
    {OUTRIDER_ROLE_WAIT_START, &Programs::handle_wait_start, OUTRIDER_RUN_WAIT},
    {OUTRIDER_ROLE_WAIT_END, &Programs::handle_wait_end, OUTRIDER_RUN_WAIT},
    {OUTRIDER_ROLE_PREPARE, &Programs::handle_prepare, OUTRIDER_RUN_STATEMENT},
    {OUTRIDER_ROLE_PREPARE_END, &Programs::handle_prepare_end, OUTRIDER_RUN_STATEMENT},
    {OUTRIDER_ROLE_STEP, &Programs::handle_step, OUTRIDER_RUN_START},
    {OUTRIDER_ROLE_STEP_END, &Programs::handle_step_end, OUTRIDER_RUN_END},
    {OUTRIDER_ROLE_STEPS_OVER, &Programs::handle_steps_over, OUTRIDER_RUN_END},
};
static_assert(std::size(kRolePrograms) == OUTRIDER_ROLES, "each role has its program");

}  // namespace

const bpf_program* program_of(const outrider_bpf& skeleton, outrider_role role) {
  const auto* found = std::find_if(std::begin(kRolePrograms), std::end(kRolePrograms),
                                   [role](const RoleProgram& each) { return each.role == role; });
  return found == std::end(kRolePrograms) ? skeleton.progs.handle_nothing : skeleton.progs.*found->program;
}

ProgramDescriptors programs_of(const outrider_bpf& skeleton) {
  ProgramDescriptors all;
  for (const RoleProgram& each : kRolePrograms) {
    all[each.run].push_back(bpf_program__fd(skeleton.progs.*each.program));
  }
  all[OUTRIDER_RUN_SCHED_SWITCH] = {bpf_program__fd(skeleton.progs.handle_sched_switch)};
  all[OUTRIDER_RUN_SCHED_WAKING] = {bpf_program__fd(skeleton.progs.handle_sched_waking)};
  return all;
}

}  // namespace outrider
