// How long each program runs, by the kernel's own run-time statistics. They cost every BPF program on the host two
// clock reads a run while they are on, so they are on for a sample only. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/base/fd.h"
#include "userspace/base/result.h"

namespace outrider {

/// Descriptors (borrowed from the session) of the programs that do each kind of work.
using ProgramDescriptors = std::array<std::vector<int>, OUTRIDER_RUNS>;

/// What a scheduler hook did in a sample.
struct HookSample {
  double runs = 0, nanoseconds = 0;  ///< of everybody
  double active = 0;                 ///< of those runs, the ones that did work for a target
};

/// Nanoseconds of a hook's run that does work, where one for somebody else takes `idle`: the rest of the sample's time
/// over the active runs. Where those are few among many, that rest is the others' noise: then it stays near `known`,
/// which counts as a tenth of the others' runs.
double active_nanoseconds(const HookSample& sample, double idle, double known);

class ProgramTime {
 public:
  explicit ProgramTime(ProgramDescriptors programs);

  void start_sample();
  /// Ends the sample; `active` are the runs that did work for a target in it, all targets together. The scheduler
  /// hooks also run for everybody else: what such a run costs is taken off. That is no more than the mean of any
  /// sample, for a run that does work takes longer.
  void end_sample(const std::array<std::uint64_t, OUTRIDER_RUNS>& active);
  [[nodiscard]] bool sampling() const { return statistics_.valid(); }

  /// Measures the scheduler hooks while nothing is watched. Call once, before the first target. Error: the kernel does
  /// not let us measure (CAP_SYS_ADMIN); nanoseconds() are typical figures then and stay so.
  Status measure_idle();
  /// What that found; a sample that is started nevertheless is none.
  [[nodiscard]] bool measurable() const { return measurable_; }

  /// Nanoseconds a run, program only: of the last sample that saw any, a typical figure before the first.
  [[nodiscard]] double nanoseconds(outrider_run what) const { return cost_[what]; }
  /// In how many runs that was seen; 0: nanoseconds() is a typical figure.
  [[nodiscard]] std::uint64_t measured_runs(outrider_run what) const { return measured_runs_[what]; }
  /// What a scheduler hook costs a task that nobody watches.
  [[nodiscard]] double idle_nanoseconds(outrider_run what) const { return idle_[what]; }

 private:
  struct Usage {
    std::uint64_t runs = 0;
    std::uint64_t nanoseconds = 0;
  };
  [[nodiscard]] std::array<Usage, OUTRIDER_RUNS> usage() const;

  ProgramDescriptors programs_;
  Fd statistics_;
  bool measurable_ = false;
  std::array<Usage, OUTRIDER_RUNS> begin_{};
  std::array<double, OUTRIDER_RUNS> cost_;
  std::array<std::uint64_t, OUTRIDER_RUNS> measured_runs_{};
  std::array<double, OUTRIDER_RUNS> idle_{};
};

}  // namespace outrider
