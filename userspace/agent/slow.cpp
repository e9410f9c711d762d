#include "userspace/agent/slow.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "userspace/agent/one_target.h"
#include "userspace/base/units.h"
#include "userspace/model/statement.h"

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

void add(const SlowOptions& options, Reading& reading, SlowReport& report) {
  const auto is_other = [&](const auto& query) {
    return !options.type.empty() && !is_of_type(query.type, options.type);
  };
  report.queries += reading.snapshot.query_metrics.interval_queries;
  report.types_seen.clear();
  for (const auto& [type, metrics] : reading.snapshot.query_metrics.query_type_breakdown) {
    if (metrics.count > 0) report.types_seen.push_back(type);
  }
  std::erase_if(reading.slow, is_other);
  report.slow.insert(report.slow.end(), reading.slow.begin(), reading.slow.end());
  std::stable_sort(report.slow.begin(), report.slow.end(),
                   [](const SlowQuery& a, const SlowQuery& b) { return a.duration_ns > b.duration_ns; });
  if (report.slow.size() > options.most) report.slow.resize(options.most);
  report.in_flight = std::move(reading.in_flight).value_or(std::vector<InFlightQuery>());
  std::erase_if(report.in_flight, is_other);
}

}  // namespace

Result<SlowReport> record_slow(const SlowOptions& options, const SlowProgress& progress, const WaitUntil& wait) {
  Result<OneTarget> made = OneTarget::make(options.target, options.use_uprobe_multi);
  if (!made) return made.error();
  SlowReport report;
  report.target = made->watcher().state(made->index()).label;
  spdlog::info("{}: looking for {}", report.target, format_duration(options.duration));
  const auto begin = Clock::now();
  const auto end = begin + options.duration;
  for (bool over = false; !over && Clock::now() < end;) {
    std::vector<Reading> readings;
    over = made->pass_round(end, wait, readings);
    for (Reading& reading : readings) add(options, reading, report);
    progress(report, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin));
  }
  made->release();
  return report;
}

}  // namespace outrider
