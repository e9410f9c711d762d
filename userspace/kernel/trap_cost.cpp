#include "userspace/kernel/trap_cost.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

#include "userspace/base/fd.h"
#include "userspace/kernel/own_site.h"

namespace outrider {
namespace {

// The same site that our macros emit: a 1-byte nop, then the 10-byte one (x86-64); a nop elsewhere.
extern "C" char outrider_trap_cost_site[];  // NOLINT(modernize-avoid-c-arrays): a label of the assembly below

[[gnu::noinline]] void pass_site() {
#if defined(__x86_64__)
  asm volatile(
      ".globl outrider_trap_cost_site\n.hidden outrider_trap_cost_site\noutrider_trap_cost_site:\n\tnop\n"
      "\t.byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0");
#else
  asm volatile(".globl outrider_trap_cost_site\n.hidden outrider_trap_cost_site\noutrider_trap_cost_site:\n\tnop");
#endif
}

/// Keeps the calling thread, and those it starts, on the processor where it is. A wake-up on another one takes ten
/// times as long as a task switch, and is never twice the same.
class OnOneProcessor {
 public:
  OnOneProcessor() {
    const int here = sched_getcpu();
    if (here < 0 || here >= CPU_SETSIZE || sched_getaffinity(0, sizeof(before_), &before_) != 0) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(here, &one);
    moved_ = sched_setaffinity(0, sizeof(one), &one) == 0;
  }
  ~OnOneProcessor() {
    if (moved_) sched_setaffinity(0, sizeof(before_), &before_);
  }
  OnOneProcessor(const OnOneProcessor&) = delete;
  OnOneProcessor& operator=(const OnOneProcessor&) = delete;

 private:
  cpu_set_t before_{};
  bool moved_ = false;
};

/// A thread that answers each byte with a byte, for two task switches.
class Partner {
 public:
  static Result<std::unique_ptr<Partner>> make() {
    std::array<int, 2> to{};
    std::array<int, 2> from{};
    auto partner = std::make_unique<Partner>();
    if (pipe2(to.data(), O_CLOEXEC) != 0) return Error::from_errno(errno, "make a pipe");
    partner->to_ = {Fd(to[0]), Fd(to[1])};
    if (pipe2(from.data(), O_CLOEXEC) != 0) return Error::from_errno(errno, "make a pipe");
    partner->from_ = {Fd(from[0]), Fd(from[1])};
    partner->thread_ = std::thread([in = to[0], out = from[1]] {
      char byte = 0;
      while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1) {
      }
    });
    return partner;
  }
  ~Partner() {
    to_[1].reset();
    if (thread_.joinable()) thread_.join();
  }
  void answer() const {
    char byte = 0;
    if (write(to_[1].get(), &byte, 1) == 1) static_cast<void>(!read(from_[0].get(), &byte, 1));
  }

 private:
  std::array<Fd, 2> to_, from_;
  std::thread thread_;
};

// The quickest of some rounds: disturbance only ever adds.
double nanoseconds_each(int times, const std::function<void(int)>& run) {
  constexpr int kRounds = 5;
  double best = 0;
  for (int i = 0; i < kRounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run(times);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = i == 0 ? took.count() : std::min(best, took.count());
  }
  return best / times;
}

struct Passes {
  double in_a_loop = 0;
  double after_a_switch = 0;
};

Passes time_passes(const Partner& partner) {
  constexpr int kPasses = 2000;
  constexpr int kSwitches = 400;
  return {.in_a_loop = nanoseconds_each(kPasses,
                                        [](int times) {
                                          for (int i = 0; i < times; ++i) pass_site();
                                        }),
          .after_a_switch = nanoseconds_each(kSwitches, [&](int times) {
            for (int i = 0; i < times; ++i) {
              partner.answer();
              pass_site();
            }
          })};
}

}  // namespace

Result<double> measure_trap(BpfSession& session) {
  Result<ProbeSet> probes = probe_own_site(session, reinterpret_cast<std::uint64_t>(&outrider_trap_cost_site[0]));
  if (!probes) return probes.error();
  const OnOneProcessor here;
  Result<std::unique_ptr<Partner>> partner = Partner::make();
  if (!partner) return partner.error();
  const Passes bare = time_passes(**partner);
  if (Status status = probes->attach(0); !status) return status.error();
  const Passes trapped = time_passes(**partner);
  const double warm = std::max(0.0, trapped.in_a_loop - bare.in_a_loop);
  return (warm + std::max(warm, trapped.after_a_switch - bare.after_a_switch)) / 2;
}

}  // namespace outrider
