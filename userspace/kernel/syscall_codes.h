// Fills the table by which the scheduler hook classifies a wait: system call number -> wait class or a code that needs
// a closer look (bpf/lib/syscalls.h). Pure: thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "bpf/lib/syscalls.h"

namespace outrider {

std::array<std::uint8_t, SYSCALL_TABLE> syscall_codes();

}  // namespace outrider
