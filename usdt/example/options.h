// What the command line of graph-engine asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "usdt/example/arrival_schedule.h"
#include "usdt/example/engine.h"
#include "usdt/example/fault_spec.h"

namespace outrider::example {

enum class Mode { kBlocking, kHop, kNested, kLoop };

struct Options {
  uint32_t threads = 4;
  double rate = 1000;  ///< queries a second; 0: as fast as it can
  ArrivalSchedule::Spacing spacing = ArrivalSchedule::Spacing::kPoisson;
  double delay_seconds = 0;
  std::optional<double> duration_seconds;
  uint64_t queries = 0;  ///< 0: no limit
  double linger_seconds = 0;
  uint64_t seed = 1;
  std::string record_path;
  std::string data_dir = "/var/tmp";
  Mode mode = Mode::kBlocking;
  Workload workload = Workload::kMixed;
  std::vector<FaultSpec> faults;
  double longjmp_percent = 0;
  double exit_threads_percent = 0;
  uint32_t forks = 0;
  double spawns_per_second = 0;
};

/// What to do: run with these options, or leave with this exit code (help was asked for, or an argument was wrong; what
/// there is to say has been printed).
struct ParsedOptions {
  Options options;
  std::optional<int> exit_code;
};
ParsedOptions parse_options(int argc, const char* const* argv);

}  // namespace outrider::example
