// Which BPF program each role of a probe site is given to, and what kind of work each program does. Pure functions:
// thread-safe. The skeleton is borrowed, and what is returned belongs to it.
#pragma once

#include "bpf/abi/abi.h"
#include "userspace/kernel/program_time.h"

struct bpf_program;
struct outrider_bpf;

namespace outrider {

/// OUTRIDER_ROLES: the program that does nothing.
const bpf_program* program_of(const outrider_bpf& skeleton, outrider_role role);

ProgramDescriptors programs_of(const outrider_bpf& skeleton);

}  // namespace outrider
