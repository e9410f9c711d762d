#include "userspace/agent/shedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace outrider {
namespace {

constexpr double kKeep = 0.5;  // weight of what was known, against a new observation

double blend(double known, double seen) { return known == 0 ? seen : kKeep * known + (1 - kKeep) * seen; }

std::string describe(ShedLevel level, unsigned query_cycle) {
  switch (level) {
    case ShedLevel::kNothing:
      return "all probes attached";
    case ShedLevel::kCacheDuty:
      return fmt::format("cache and phase probes attached 1 interval in {}", Shedder::kCacheCycle);
    case ShedLevel::kLight:
      return "light: end probes only, no waits and no concurrency";
    case ShedLevel::kQueryDuty:
      return fmt::format("query probes attached 1 interval in {}, totals are estimates", query_cycle);
  }
  return {};
}

}  // namespace

Shedder::Shedder(const ShedOptions& options) : options_(options), level_(options.floor) {}

ProbePlanForInterval Shedder::plan() const {
  ProbePlanForInterval plan;
  const bool light = options_.may_go_light && level_ >= ShedLevel::kLight;
  plan.mode = light ? ProbeMode::kLight : ProbeMode::kFull;
  if (level_ >= ShedLevel::kCacheDuty && !options_.fixed) plan.cache = interval_ % kCacheCycle == 0;
  if (level_ == ShedLevel::kQueryDuty && interval_ % query_cycle_ != 0) {
    plan.mode = ProbeMode::kPaused;
    plan.cache = false;
  }
  return plan;
}

void Shedder::learn(const std::array<double, OUTRIDER_RUNS>& cost_ns, double target_cpu_ns) {
  const ProbePlanForInterval was = plan();
  if (was.mode == ProbeMode::kPaused) return;
  // A target that used no CPU ran no probe.
  const auto percent = [&](std::initializer_list<outrider_run> kinds) {
    double sum = 0;
    for (const outrider_run kind : kinds) sum += cost_ns[kind];
    return target_cpu_ns > 0 ? 100 * sum / target_cpu_ns : 0;
  };
  const double end_before = shares_.end;
  shares_.end = blend(shares_.end, percent({OUTRIDER_RUN_END, OUTRIDER_RUN_STATEMENT, OUTRIDER_RUN_WAIT}));
  // What is not attached follows the load as far as the ends tell it; else it would look dear for ever and never
  // come back.
  const double load_change = end_before > 0 ? shares_.end / end_before : 1;
  shares_.cache =
      was.cache ? blend(shares_.cache, percent({OUTRIDER_RUN_CACHE, OUTRIDER_RUN_PHASE})) : shares_.cache * load_change;
  shares_.start = was.mode == ProbeMode::kFull
                      ? blend(shares_.start, percent({OUTRIDER_RUN_START, OUTRIDER_RUN_SWITCH,
                                                      OUTRIDER_RUN_SCHED_SWITCH, OUTRIDER_RUN_SCHED_WAKING}))
                      : shares_.start * load_change;
}

double Shedder::expected(ShedLevel level) const {
  const double light_saves = options_.may_go_light ? shares_.start : 0;
  switch (level) {
    case ShedLevel::kNothing:
      return shares_.cache + shares_.start + shares_.end;
    case ShedLevel::kCacheDuty:
      return shares_.cache / kCacheCycle + shares_.start + shares_.end;
    case ShedLevel::kLight:
      return shares_.cache / kCacheCycle + shares_.start - light_saves + shares_.end;
    case ShedLevel::kQueryDuty:
      return (shares_.cache / kCacheCycle + shares_.start - light_saves + shares_.end) / query_cycle_;
  }
  return 0;
}

ShedLevel Shedder::next_level() const {
  if (level_ == ShedLevel::kNothing && shares_.cache > 0) return ShedLevel::kCacheDuty;
  if (level_ < ShedLevel::kLight && options_.may_go_light) return ShedLevel::kLight;
  return ShedLevel::kQueryDuty;
}

ShedLevel Shedder::previous_level() const {
  if (level_ == ShedLevel::kQueryDuty && options_.may_go_light) return ShedLevel::kLight;
  if (level_ > ShedLevel::kCacheDuty && shares_.cache > 0) return ShedLevel::kCacheDuty;
  return ShedLevel::kNothing;
}

std::string Shedder::change_to(ShedLevel level, double percent) {
  const bool less = level > level_ || (level == level_ && level == ShedLevel::kQueryDuty);
  level_ = level;
  over_ = 0;
  inside_ = 0;
  interval_ = 0;
  return less ? fmt::format("the probes cost {:.1f} % of the target's CPU, more than the budget of {:.1f} %: {}",
                            percent, *options_.budget_percent, describe(level_, query_cycle_))
              : fmt::format("the load fell, the probes fit the budget of {:.1f} % again: {}", *options_.budget_percent,
                            describe(level_, query_cycle_));
}

std::optional<std::string> Shedder::observe(const std::array<double, OUTRIDER_RUNS>& cost_ns, double target_cpu_ns) {
  learn(cost_ns, target_cpu_ns);
  ++interval_;
  if (!options_.budget_percent || options_.fixed) return std::nullopt;
  const double budget = *options_.budget_percent;
  const double now = expected(level_);
  if (now > budget) {
    inside_ = 0;
    if (++over_ < kPatience) return std::nullopt;
    const ShedLevel next = next_level();
    if (next == ShedLevel::kQueryDuty) {
      const double attached = expected(ShedLevel::kQueryDuty) * query_cycle_;
      const auto cycle = static_cast<unsigned>(std::clamp(std::ceil(attached / budget), 2.0, 1.0 * kMaxQueryCycle));
      if (level_ == next && cycle == query_cycle_) return std::nullopt;
      query_cycle_ = cycle;
    }
    return change_to(next, now);
  }
  over_ = 0;
  if (level_ == ShedLevel::kNothing || level_ <= options_.floor) return std::nullopt;
  if (expected(previous_level()) > kRecoveryShare * budget) {
    inside_ = 0;
    return std::nullopt;
  }
  if (++inside_ < kRecovery) return std::nullopt;
  const ShedLevel back = previous_level();
  if (back != ShedLevel::kQueryDuty) query_cycle_ = 1;
  return change_to(back, now);
}

}  // namespace outrider
