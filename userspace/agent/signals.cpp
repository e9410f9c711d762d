#include "userspace/agent/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>

namespace outrider {

Signals::Signals(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) {
    struct sigaction old {};
    // What is ignored would be queued all the same once it is blocked.
    if (sigaction(number, nullptr, &old) == 0 && old.sa_handler != SIG_IGN) sigaddset(&set, number);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  fd_ = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  signal(SIGPIPE, SIG_IGN);
}

std::optional<int> Signals::wait_until(std::chrono::steady_clock::time_point deadline) const {
  for (;;) {
    signalfd_siginfo info{};
    if (read(fd_.get(), &info, sizeof(info)) == sizeof(info)) return static_cast<int>(info.ssi_signo);
    const auto left = deadline - std::chrono::steady_clock::now();
    const auto ns = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(left).count());
    const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (ppoll(&ready, 1, &timeout, nullptr) == 0) return std::nullopt;
  }
}

}  // namespace outrider
