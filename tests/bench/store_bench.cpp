// store-bench FILE HOURS: writes that many hours of history, a point a second for 8 targets of 20 query types each, up
// to this hour, through the store and a clock of its own; then compares percentiles of the whole window with those of
// all the durations that it put in. Prints one JSON object. Progress goes to stderr.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "userspace/store/store.h"

namespace {

using namespace outrider;

constexpr int kTargets = 8;
constexpr int kTypes = 20;
constexpr std::uint64_t kQueriesPerSecond = 50;  // of each type
constexpr std::int64_t kHourSeconds = 3600;
constexpr int kSecondsPerWrite = 5;
constexpr std::array<double, 4> kPercentiles = {0.5, 0.95, 0.99, 0.999};

using Clock = std::chrono::steady_clock;

/// Durations of one type of one target, drawn beforehand, because drawing is not what is measured; and how often each
/// was used, which is the truth that the store is compared with.
class Durations {
 public:
  explicit Durations(int type) : drawn_(65'521), used_(drawn_.size()) {  // a prime, so that the seconds differ
    std::mt19937_64 random(static_cast<std::uint64_t>(type) + 1);
    // From 100 us to some 30 ms at the median, with the tail that engines have.
    std::lognormal_distribution<double> draw(std::log(1e5 * std::exp2(type % 9)), 0.6);
    for (std::uint64_t& ns : drawn_) ns = static_cast<std::uint64_t>(draw(random));
  }

  std::uint64_t next() {
    at_ = (at_ + 1) % drawn_.size();
    ++used_[at_];
    return drawn_[at_];
  }

  /// Nearest rank, over every duration that was used.
  [[nodiscard]] std::uint64_t percentile(double q) const {
    std::map<std::uint64_t, std::uint64_t> counts;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < drawn_.size(); ++i) {
      counts[drawn_[i]] += used_[i];
      total += used_[i];
    }
    auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total)));
    for (const auto& [ns, count] : counts) {
      if (rank <= count) return ns;
      rank -= count;
    }
    return 0;
  }

 private:
  std::vector<std::uint64_t> drawn_, used_;
  std::size_t at_ = 0;
};

std::string target_name(int target) { return fmt::format("engine-{}", target); }
std::string type_name(int type) { return fmt::format("type-{:02}", type); }

using Truth = std::vector<std::vector<Durations>>;  // by target and type

TypePoint made_type(Durations& durations) {
  TypePoint made;
  HistogramCells cells{};
  for (std::uint64_t i = 0; i < kQueriesPerSecond; ++i) {
    const std::uint64_t ns = durations.next();
    ++cells[outrider_hist_index(ns)];
    made.duration_ns += ns;
    made.max_ns = std::max(made.max_ns, ns);
  }
  made.queries = made.timed = kQueriesPerSecond;
  made.failed = made.duration_ns % 2;
  made.wait_ns[OUTRIDER_WAIT_CPU] = made.duration_ns / 2;
  made.wait_ns[OUTRIDER_WAIT_DISK] = made.duration_ns / 4;
  made.wait_ns[OUTRIDER_WAIT_LOCK] = made.duration_ns / 8;
  made.histogram = to_sparse(cells);
  return made;
}

Point made_point(std::int64_t second, std::vector<Durations>& durations) {
  static constexpr std::array kGauges = {"system_metrics.cpu_usage",     "system_metrics.memory_usage",
                                         "target_metrics.cpu_usage",     "target_metrics.memory_usage",
                                         "target_metrics.rss_mb",        "target_metrics.disk_read_mb",
                                         "target_metrics.disk_write_mb", "target_metrics.thread_count",
                                         "target_metrics.handle_count",  "health_score"};
  Point point;
  point.begin_ms = second * 1'000;
  point.length_ms = 1'000;
  point.seconds = point.watched_seconds = point.up_seconds = 1;
  for (int type = 0; type < kTypes; ++type) {
    const auto& made = point.types[type_name(type)] = made_type(durations[static_cast<std::size_t>(type)]);
    point.total.add(made);
  }
  for (std::size_t i = 0; i < kGauges.size(); ++i) {
    const double value = static_cast<double>((second + static_cast<std::int64_t>(i) * 7) % 97) + 0.25;
    point.gauges[kGauges[i]] = {value, 1, value, value};
  }
  point.peak_concurrent = second % 40;
  return point;
}

struct Comparison {
  std::uint64_t compared = 0, other_bucket = 0, other_count = 0;
  double worst_error = 0;
};

Status compare(Store& store, const Durations& truth, HistoryQuery query, Comparison& result) {
  const Result<History> history = store.history(query);
  if (!history) return history.error();
  if (history->points.size() != 1 || history->rounded) return Error{"the window did not come back as one point"};
  const TypePoint& type = history->points.front().types.at(*query.type);
  if (type.queries != kQueriesPerSecond * static_cast<std::uint64_t>((query.to_ms - query.from_ms) / 1'000)) {
    ++result.other_count;
  }
  for (const double q : kPercentiles) {
    const std::uint64_t real = truth.percentile(q);
    const double said = percentile_ns(type.histogram, q).value_or(0);
    ++result.compared;
    if (percentile_bucket(type.histogram, q) != outrider_hist_index(real)) ++result.other_bucket;
    result.worst_error =
        std::max(result.worst_error, std::abs(said - static_cast<double>(real)) / static_cast<double>(real));
  }
  return Ok{};
}

Status compare_all(Store& store, const Truth& truth, std::int64_t begin, std::int64_t end, Comparison& result) {
  for (int target = 0; target < kTargets; ++target) {
    for (int type = 0; type < kTypes; ++type) {
      HistoryQuery query;
      query.target = target_name(target);
      query.type = type_name(type);
      query.from_ms = begin * 1'000;
      query.to_ms = end * 1'000;
      const Durations& used = truth[static_cast<std::size_t>(target)][static_cast<std::size_t>(type)];
      if (Status compared = compare(store, used, std::move(query), result); !compared) return compared;
    }
  }
  return Ok{};
}

double rss_mib() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

Status write_hours(Store& store, std::atomic<std::int64_t>& now_ms, std::int64_t begin, std::int64_t end, Truth& truth,
                   double& writing_seconds) {
  for (std::int64_t second = begin; second < end; ++second) {
    for (int target = 0; target < kTargets; ++target) {
      store.add(target_name(target), made_point(second, truth[static_cast<std::size_t>(target)]));
    }
    now_ms = (second + 1) * 1'000;
    if ((second + 1) % kSecondsPerWrite != 0) continue;
    const auto from = Clock::now();
    if (Status written = store.flush(); !written) return written;
    writing_seconds += std::chrono::duration<double>(Clock::now() - from).count();
    if ((second + 1) % kHourSeconds == 0) {
      fmt::print(stderr, "\rwriting: hour {} of {} ", (second + 1 - begin) / kHourSeconds,
                 (end - begin) / kHourSeconds);
    }
  }
  now_ms = (end + 2) * 1'000;  // past the grace of late points, so that the last steps are rolled up
  fmt::print(stderr, "\n");
  return store.flush();
}

int fail(const Error& error) {
  fmt::print(stderr, "store-bench: {}\n", error.message);
  return EXIT_FAILURE;
}

int run(const std::string& path, std::int64_t hours) {
  const std::int64_t end = std::time(nullptr) / kHourSeconds * kHourSeconds;
  const std::int64_t begin = end - hours * kHourSeconds;
  std::atomic<std::int64_t> now_ms = begin * 1'000;
  StoreOptions options;
  options.path = path;
  options.write_interval_ms = 60'000;  // only when it is asked for
  options.now_ms = [&now_ms] { return now_ms.load(); };
  const auto store = Store::make(options);
  if (!store) return fail(store.error());
  std::vector<Durations> types;
  types.reserve(kTypes);
  for (int type = 0; type < kTypes; ++type) types.emplace_back(type);
  Truth truth(kTargets, types);
  const double before_mib = rss_mib();
  double writing = 0;
  if (Status written = write_hours(**store, now_ms, begin, end, truth, writing); !written) return fail(written.error());
  Comparison comparison;
  if (Status compared = compare_all(**store, truth, begin, end, comparison); !compared) return fail(compared.error());
  const StoreCounters counters = (*store)->counters();
  const std::int64_t points = (end - begin) * kTargets;
  const nlohmann::json result = {{"begin", begin},
                                 {"end", end},
                                 {"targets", kTargets},
                                 {"types", kTypes},
                                 {"points", points},
                                 {"dropped", counters.dropped_points},
                                 {"ms_per_second_of_history", 1e3 * writing / static_cast<double>(end - begin)},
                                 {"rss_growth_mib", rss_mib() - before_mib},
                                 {"percentiles_compared", comparison.compared},
                                 {"in_another_bucket", comparison.other_bucket},
                                 {"types_with_another_count", comparison.other_count},
                                 {"worst_error", comparison.worst_error}};
  fmt::print("{}\n", result.dump());
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  const std::int64_t hours = count == 3 ? std::atoll(arguments[2]) : 0;
  if (hours <= 0) {
    fmt::print(stderr, "usage: store-bench FILE HOURS\n");
    return 2;
  }
  return run(arguments[1], hours);
}
