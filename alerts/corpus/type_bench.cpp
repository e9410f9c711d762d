// type-bench [TYPES [DAYS [SCENARIO [FIRST-SEED [FACTOR]]]]]: a target whose query types are made engines of their own,
// on normal days: what is told that should not be, by name, and what a snapshot costs. With a FACTOR, the third type is
// so many times as slow from the middle of each run of two hours on, and it is counted whether that is told.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alerts/corpus/corpus.h"
#include "userspace/detect/target_monitor.h"

namespace {

using namespace outrider;

struct Options {
  int types = 20, days = 1;
  std::string scenario = "steady";
  int seed = 0;
  double factor = 1;
};

void add_type(Snapshot& snapshot, const std::string& name, const DetectorSample& row) {
  TypeMetrics& type = snapshot.query_metrics.query_type_breakdown[name];
  type.queries_per_second = *row.queries_per_second;
  type.interval_count = static_cast<std::uint64_t>(type.queries_per_second);
  type.avg_response_time_seconds = row.avg_response_time_seconds;
  type.success_rate.reset();
  QueryMetrics& all = snapshot.query_metrics;
  all.interval_queries += type.interval_count;
  all.queries_per_second += type.queries_per_second;
  if (!row.avg_response_time_seconds) return;
  type.success_rate = 1 - *row.error_rate;
  all.avg_response_time_seconds =
      all.avg_response_time_seconds.value_or(0) + *row.avg_response_time_seconds * type.queries_per_second;
  all.error_rate = all.error_rate.value_or(0) + *row.error_rate * type.queries_per_second;
}

Snapshot snapshot_of(std::vector<Run>& runs, std::int64_t second, double factor) {
  Snapshot snapshot;
  snapshot.timestamp_ms = 1'700'000'000'000 + 1'000 * second;
  snapshot.interval_seconds = 1;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    DetectorSample row = runs[i].next();
    if (i == 2 && row.avg_response_time_seconds) *row.avg_response_time_seconds *= factor;
    add_type(snapshot, fmt::format("type{:02}", i), row);
  }
  QueryMetrics& all = snapshot.query_metrics;
  if (all.avg_response_time_seconds) *all.avg_response_time_seconds /= all.queries_per_second;
  if (all.error_rate) *all.error_rate /= all.queries_per_second;
  return snapshot;
}

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)) {}

  void run(int seed, int seconds, int slow_from) {
    const Scenario scenario{options_.scenario, true, seconds, 0};
    std::vector<Run> runs;
    runs.reserve(static_cast<std::size_t>(options_.types));
    for (int i = 0; i < options_.types; ++i)
      runs.emplace_back(scenario, static_cast<std::uint64_t>(1000 * seed + i), false);
    MonitorOptions options;
    options.success_objective = 0.99;
    const auto monitor = *TargetMonitor::make("made", options);
    std::vector<Notice> out;
    for (int second = 0; second < seconds; ++second) {
      const Snapshot snapshot = snapshot_of(runs, second, second >= slow_from ? options_.factor : 1);
      const auto begin = std::chrono::steady_clock::now();
      monitor->observe(snapshot, {}, out);
      spent_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      ++snapshots_;
      for (const Notice& notice : out) note(notice, second, slow_from);
      out.clear();
    }
    bytes_ = monitor->state_bytes();
    text_bytes_ = monitor->serialise().size();
  }

  void print(double days) const {
    for (const auto& [name, count] : told_) fmt::print("{:.2f} a day: {}\n", count / days, name);
    fmt::print("{} types: {:.0f} ns a snapshot, {} bytes of memory, {} of text\n", options_.types,
               1e9 * spent_ / static_cast<double>(snapshots_), bytes_, text_bytes_);
  }

 private:
  void note(const Notice& notice, int second, int slow_from) {
    if (notice.what != Notice::What::kFiring) return;
    const bool after = options_.factor != 1 && second >= slow_from;
    if (after) fmt::print("{} s after: {}\n", second - slow_from, notice.text);
    ++told_[fmt::format("{}{}{}", notice.name, notice.type.empty() ? "" : " of a type",
                        after ? ", after the change" : "")];
  }

  Options options_;
  std::map<std::string, double> told_;
  double spent_ = 0;
  std::int64_t snapshots_ = 0;
  std::size_t bytes_ = 0, text_bytes_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  Options options;
  if (count > 1) options.types = std::max(3, std::atoi(arguments[1]));
  if (count > 2) options.days = std::max(1, std::atoi(arguments[2]));
  if (count > 3) options.scenario = arguments[3];
  if (count > 4) options.seed = std::atoi(arguments[4]);
  if (count > 5) options.factor = std::atof(arguments[5]);
  const bool faults = options.factor != 1;
  const int seconds = faults ? 7'200 : 86'400;
  Bench bench(options);
  for (int day = 0; day < options.days; ++day) bench.run(options.seed + day, seconds, faults ? seconds / 2 : seconds);
  bench.print(options.days * seconds / 86'400.0);
  return EXIT_SUCCESS;
}
