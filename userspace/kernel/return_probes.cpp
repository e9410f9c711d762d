#include "userspace/kernel/return_probes.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "userspace/kernel/own_site.h"

// A function of two instructions, so that its return address is where a return probe looks for it.
asm(".text\n"
    ".globl outrider_return_site\n.hidden outrider_return_site\n.type outrider_return_site, %function\n"
    "outrider_return_site:\n\tnop\n\tret\n"
    ".size outrider_return_site, . - outrider_return_site\n");
extern "C" void outrider_return_site();

namespace outrider {
namespace {

// Of x86-64, the only machine that has it; headers may be older.
constexpr std::uint32_t kUretprobeCall = 335;

// In a child, which a fork has left with this thread alone: system calls and nothing else.
[[noreturn]] void return_under_seccomp() {
  constexpr std::uint32_t kNumber = offsetof(seccomp_data, nr);
  std::array<sock_filter, 4> filter = {{
      {.code = BPF_LD | BPF_W | BPF_ABS, .jt = 0, .jf = 0, .k = kNumber},
      {.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 0, .jf = 1, .k = kUretprobeCall},
      {.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = SECCOMP_RET_KILL_PROCESS},
      {.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = SECCOMP_RET_ALLOW},
  }};
  const sock_fprog program = {.len = filter.size(), .filter = filter.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(EXIT_FAILURE);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) _exit(EXIT_FAILURE);
  outrider_return_site();
  _exit(EXIT_SUCCESS);
}

struct Trial {
  std::string refused;  ///< why no return may be probed
  bool conclusive = true;
};

Trial find_out(BpfSession& session) {
  const auto cannot = [](const std::string& why) {
    return Trial{
        "whether this kernel's return probes are safe for processes with a seccomp filter could not be tried: " + why,
        false};
  };
  Result<ProbeSet> probes =
      probe_own_site(session, reinterpret_cast<std::uint64_t>(&outrider_return_site), /*at_return=*/true);
  if (!probes) return cannot(probes.error().message);
  if (Status status = probes->attach(0); !status) return cannot(status.error().message);
  const pid_t child = fork();
  if (child < 0) return cannot(std::strerror(errno));
  if (child == 0) return_under_seccomp();
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return cannot(std::strerror(errno));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) return {};
  if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSYS) return cannot(strsignal(WTERMSIG(status)));
  if (WIFSIGNALED(status)) {
    return {fmt::format(
        "this kernel kills ({}) a process that has a seccomp filter, as services often have, when it returns from a "
        "function whose return is probed (Linux 6.11 to 6.13); use a newer kernel",
        strsignal(WTERMSIG(status)))};
  }
  return cannot("seccomp filters are refused");
}

// The kernels whose return probes change the shadow stack too got a system call at the same time (6.11), which gives
// SIGILL where no return probe has called it.
bool keep_shadow_stacks() {
#ifdef __x86_64__
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGILL, [](int) { _exit(EXIT_SUCCESS); });
    syscall(kUretprobeCall);
    _exit(EXIT_FAILURE);
  }
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
#else
  return true;
#endif
}

}  // namespace

std::string return_probes_refused(BpfSession& session) {
  static std::optional<std::string> known;
  if (known) return *known;
  Trial trial = find_out(session);
  if (trial.conclusive) known = trial.refused;
  return std::move(trial.refused);
}

std::string returns_refused(BpfSession& session, const ReturnPlace& place) {
  if (!place.throws.empty()) {
    return place.throws +
           " of this process may throw exceptions, and one that leaves a function whose return is probed aborts it; "
           "name "
           "a function that is called when a query is over instead (--end, or a query_end of the provider function)";
  }
  if (!place.unread.empty()) {
    return place.unread +
           " of this process could not be looked at, and if its code throws exceptions one that leaves a function "
           "whose "
           "return is probed aborts it; start the process anew if the file was replaced";
  }
  if (!place.library.empty() && !place.library_allowed) {
    return "every process of this host that has " + place.library +
           " would get the probes at its returns too, and an exception of C++ through one of them would abort it; "
           "where no "
           "such program uses it, --allow-library-returns (allow_library_returns of a target) insists";
  }
  if (place.shadow_stack && !keep_shadow_stacks()) {
    return "this process has a shadow stack (GLIBC_TUNABLES), and this kernel ends it at the first return that is "
           "probed "
           "(Linux 6.6 to 6.10); use a newer kernel";
  }
  return return_probes_refused(session);
}

}  // namespace outrider
