#include "userspace/target/uprobe_generation.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

namespace outrider {
namespace {

#ifdef __x86_64__
bool seccomp_active() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("Seccomp:")) return line.find_first_of("12") != std::string::npos;
  }
  return false;
}
#endif

}  // namespace

UprobeGeneration uprobe_generation_from(int error, bool filtered) {
  if (error == EPROTO) return UprobeGeneration::kSafeNop10;
  // Container runtimes answer ENOSYS to calls they do not know, whatever the kernel can do.
  if (error == ENOSYS && !filtered) return UprobeGeneration::kNone;
  return UprobeGeneration::kUnsafeNop5;
}

UprobeGeneration uprobe_generation() {
#ifdef __x86_64__
  constexpr long kUprobeSyscall = 336;  // newer than the C library's headers
  errno = 0;
  syscall(kUprobeSyscall);
  const int error = errno;
  return uprobe_generation_from(error, seccomp_active());
#else
  return UprobeGeneration::kNone;
#endif
}

}  // namespace outrider
