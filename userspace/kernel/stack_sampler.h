// Stacks of the threads that are in a query: a timer on every CPU for what runs, the scheduler's hooks for what waits.
// Owns the programs it loads: destroying it detaches. Not thread-safe. Needs the
// privileges of BpfSession, whose maps it shares and which may go first.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bpf/abi/abi.h"
#include "bpf/abi/unwind.h"
#include "userspace/base/result.h"

namespace outrider {

class BpfSession;

struct SamplerOptions {
  unsigned frequency = 99;  ///< samples a second on each CPU; not a divisor of what engines do each so many ms
  bool off_cpu = false;     ///< the waits instead of what runs
  std::chrono::nanoseconds shortest_wait = std::chrono::milliseconds(1);  ///< shorter ones are only counted
  bool kernel_frames = true;
};

/// One stack and what was seen with it. Addresses are return addresses but for the innermost, which comes first.
struct SampledStack {
  pid_t pid = 0;                    ///< whose memory the user addresses are of
  std::vector<std::uint32_t> path;  ///< slots of the open queries, the outermost first
  outrider_wait_class wait_class = OUTRIDER_WAIT_CPU;
  bool whole = false;  ///< known to have reached the outermost user frame
  std::vector<std::uint64_t> kernel, user;
  std::uint64_t count = 0;
  std::uint64_t wait_ns = 0;
};

class StackSampler {
 public:
  /// For the threads of `target` that are in a query. Nothing is sampled until start(); new processes have their
  /// parent's tables from here on.
  static Result<StackSampler> make(const BpfSession& session, std::uint32_t target, const SamplerOptions& options);

  StackSampler(StackSampler&&) noexcept;
  StackSampler& operator=(StackSampler&&) noexcept;
  ~StackSampler();

  /// From here on stacks are collected. Call it once the processes are set, or the first stacks are cut.
  Status start();

  /// Gives the kernel side rows by which it finds callers in one file's code; returns the number of the first. None:
  /// there is no room for so many, and frame pointers must do.
  std::optional<std::uint32_t> add_unwind_rows(std::span<const outrider_unwind_row> rows);
  /// What `pid` has mapped where. Until then, and after it became another program, its frame pointers must do.
  [[nodiscard]] bool set_process(pid_t pid, const outrider_unwind_process& process);

  /// Takes what was collected since the last call. Call it every second: the table has room for OUTRIDER_MAX_STACKS.
  std::vector<SampledStack> take();

  /// Stops sampling, then takes what is left, the waits that last at this moment included.
  std::vector<SampledStack> finish();

  /// Since made.
  [[nodiscard]] outrider_stack_counts counts() const;

 private:
  struct State;
  explicit StackSampler(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace outrider
