#include "userspace/kernel/program_time.h"

#include <bpf/bpf.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace outrider {
namespace {

// By enum outrider_run; as measured on the machine of docs/measurements.md, until it is measured on this one.
constexpr std::array<double, OUTRIDER_RUNS> kTypical = {400, 400, 400, 250, 200, 150, 150, 130, 80, 0};

constexpr double kWeightOfKnown = 0.1;

}  // namespace

double active_nanoseconds(const HookSample& sample, double idle, double known) {
  const double idle_runs = std::max(0.0, sample.runs - sample.active);
  const double rest = std::max(0.0, sample.nanoseconds - idle_runs * idle);
  const double weight = kWeightOfKnown * idle_runs;
  return (rest + weight * known) / (sample.active + weight);
}

ProgramTime::ProgramTime(ProgramDescriptors programs) : programs_(std::move(programs)), cost_(kTypical) {}

std::array<ProgramTime::Usage, OUTRIDER_RUNS> ProgramTime::usage() const {
  std::array<Usage, OUTRIDER_RUNS> total{};
  for (std::size_t what = 0; what < programs_.size(); ++what) {
    for (const int fd : programs_[what]) {
      bpf_prog_info info{};
      __u32 size = sizeof(info);
      if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) continue;
      total[what].runs += info.run_cnt;
      total[what].nanoseconds += info.run_time_ns;
    }
  }
  return total;
}

void ProgramTime::start_sample() {
  begin_ = usage();
  statistics_ = Fd(bpf_enable_stats(BPF_STATS_RUN_TIME));
}

void ProgramTime::end_sample(const std::array<std::uint64_t, OUTRIDER_RUNS>& active) {
  if (!statistics_.valid()) return;
  statistics_.reset();
  const auto end = usage();
  for (std::size_t what = 0; what < end.size(); ++what) {
    const auto runs = static_cast<double>(end[what].runs - begin_[what].runs);
    const auto time = static_cast<double>(end[what].nanoseconds - begin_[what].nanoseconds);
    if (runs == 0) continue;
    const bool hook = what == OUTRIDER_RUN_SCHED_SWITCH || what == OUTRIDER_RUN_SCHED_WAKING;
    if (hook) idle_[what] = std::min(idle_[what], time / runs);
    if (hook && active[what] == 0) continue;
    cost_[what] = hook ? active_nanoseconds({runs, time, static_cast<double>(active[what])}, idle_[what], cost_[what])
                       : time / runs;
    measured_runs_[what] = hook ? active[what] : end[what].runs - begin_[what].runs;
  }
}

Status ProgramTime::measure_idle() {
  start_sample();
  if (!statistics_.valid()) {
    return Error::from_errno(errno, "measure the programs' run time");
  }
  measurable_ = true;
  for (int i = 0; i < 100; ++i) {
    const timespec pause{.tv_sec = 0, .tv_nsec = 50'000};
    nanosleep(&pause, nullptr);
  }
  const auto begin = begin_;
  statistics_.reset();
  const auto end = usage();
  for (const outrider_run what : {OUTRIDER_RUN_SCHED_SWITCH, OUTRIDER_RUN_SCHED_WAKING}) {
    const auto runs = static_cast<double>(end[what].runs - begin[what].runs);
    if (runs > 0) idle_[what] = static_cast<double>(end[what].nanoseconds - begin[what].nanoseconds) / runs;
  }
  return Ok{};
}

}  // namespace outrider
