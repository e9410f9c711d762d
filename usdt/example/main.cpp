// graph-engine: the engine of the demo, the tests and the benchmarks. It puts itself under load, goes wrong where it is
// told to, and writes down every query exactly, so that what a profiler says can be checked against the truth.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "usdt/example/background_faults.h"
#include "usdt/example/clock.h"
#include "usdt/example/load.h"
#include "usdt/example/options.h"

namespace {

using namespace outrider;
using namespace outrider::example;

constexpr int kFailed = 1;
constexpr uint64_t kSuperviseNs = 2'000'000;
constexpr size_t kColdBytes = 64 << 20;
constexpr size_t kCacheEntries = 8192;

/// SIGINT and SIGTERM end the run early. They are blocked in every thread and taken by the main one, so that no query
/// is ever interrupted by a handler.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  /// Sleeps; true if a signal came before the time was over, or ever before.
  bool sleep(uint64_t ns) {
    const uint64_t until = monotonic_ns() + ns;
    for (uint64_t now = monotonic_ns(); !came_ && now < until; now = monotonic_ns()) {
      const timespec rest = to_timespec(until - now);
      came_ = sigtimedwait(&set_, nullptr, &rest) > 0;
    }
    return came_;
  }

 private:
  sigset_t set_{};
  bool came_ = false;
};

uint64_t to_ns(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

int fail(const Error& error) {
  fmt::print(stderr, "graph-engine: {}\n", error.message);
  return kFailed;
}

/// Drops the faults that this machine cannot do, and says so.
void drop_impossible_faults(FaultPlan& plan, const DataFile& data_file) {
  const auto drop = [&](FaultKind kind, const Error& why) {
    plan.remove(kind);
    fmt::print(stderr, "graph-engine: fault left out: {}\n", why.message);
  };
  if (plan.has(FaultKind::kIoUring)) {
    if (const auto timer = IoUringTimer::make(); !timer) drop(FaultKind::kIoUring, timer.error());
  }
  if (plan.has(FaultKind::kDisk)) {
    if (const auto direct = data_file.open_direct(); !direct) drop(FaultKind::kDisk, direct.error());
  }
}

/// The load from its begin to its end, early if a signal comes.
Status run_load(Load& load, const Options& options, RunnerShared& shared, EndSignals& signals) {
  if (Status started = load.start(); !started) return started;
  const BackgroundFaults background(options, shared);
  while (load.supervise() && !signals.sleep(kSuperviseNs)) {
  }
  load.stop();
  return Ok{};
}

void print_summary(const QueryRecord& record, const RunnerShared& shared, uint64_t wall_ns) {
  fmt::print(stderr, "{}", record.summary());
  const uint64_t longjmp = shared.left_by_longjmp;
  const uint64_t exits = shared.left_by_thread_exit;
  if (longjmp + exits > 0) fmt::print(stderr, "abandoned     longjmp {}  thread exits {}\n", longjmp, exits);
  fmt::print(stderr, "wall time     {:.3f} s\n", static_cast<double>(wall_ns) / 1e9);
}

int run(const Options& options) {
  if (!options.record_path.empty()) {
    if (const Status can = QueryRecord::check_writable(options.record_path); !can) return fail(can.error());
  }
  EndSignals signals;
  FaultPlan plan(options.faults);
  const GraphShape shape;
  const bool cold = plan.has(FaultKind::kDisk) || plan.has(FaultKind::kPageFault);
  const auto data_file = DataFile::make(options.data_dir, shape.nodes, cold ? kColdBytes : 0);
  if (!data_file) return fail(data_file.error());
  drop_impossible_faults(plan, *data_file);

  Engine engine(GraphStore(generate_triples(shape, options.seed)), *data_file, kCacheEntries);
  HangGate hang_gate;
  ConvoyLock convoy;
  Releaser releaser;
  RunnerShared shared{.engine = engine, .plan = plan, .hang_gate = hang_gate, .convoy = convoy};
  const size_t runners = Load::runners(options);
  QueryRecord record(runners, !options.record_path.empty(), options.seed);
  auto load = Load::make(options, shared, record, {releaser, *data_file, convoy, runners});
  if (!load) return fail(load.error());

  fmt::print("ready pid={}\n", ::getpid());
  std::fflush(stdout);
  uint64_t begin = monotonic_ns();
  if (!signals.sleep(to_ns(options.delay_seconds))) {
    begin = monotonic_ns();
    if (const Status ran = run_load(**load, options, shared, signals); !ran) return fail(ran.error());
  }
  const uint64_t wall_ns = monotonic_ns() - begin;
  if (!options.record_path.empty()) {
    if (const Status written = record.write_csv(options.record_path); !written) return fail(written.error());
  }
  print_summary(record, shared, wall_ns);
  signals.sleep(to_ns(options.linger_seconds));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const ParsedOptions parsed = parse_options(argc, argv);
  return parsed.exit_code ? *parsed.exit_code : run(parsed.options);
}
