// influx-hour URL DATABASE FILE: pushes an hour of made snapshots of two targets, one a second, through the same sink
// as the agent, and writes the same points to FILE. Prints what became of them; 0 if all were sent.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "userspace/agent/influx_push.h"
#include "userspace/agent/sinks.h"

namespace {

using namespace outrider;

constexpr std::int64_t kBeginMs = 1'700'000'000'000;
constexpr int kSeconds = 3600;

// Figures that differ from second to second; some have no short decimal form, and some are missing now and then.
Snapshot made(const std::string& target, int second) {
  Snapshot snapshot;
  snapshot.timestamp_ms = kBeginMs + second * 1000LL;
  snapshot.target = target;
  snapshot.interval_seconds = 1;
  auto& queries = snapshot.query_metrics;
  queries.interval_queries = static_cast<std::uint64_t>(100 + second % 7);
  queries.total_queries = static_cast<std::uint64_t>(second) * 103 + (1ULL << 53U) + 1;  // no double holds it
  queries.queries_per_second = static_cast<double>(queries.interval_queries) / 3;
  if (second % 10 != 0) queries.p99_response_time_seconds = 1e-3 / (second + 1);
  queries.waits = WaitSeconds{std::sqrt(second), 1.0 / 3};
  for (const auto* type : {"SELECT", "path search", "a=b,c"}) {
    auto& breakdown = queries.query_type_breakdown[type];
    breakdown.count = static_cast<std::uint64_t>(second);
    breakdown.success_rate = 1 - 1.0 / (second + 2);
  }
  snapshot.system_metrics.cpu_usage = second % 101;
  snapshot.target_metrics.rss_mb = 100 + second / 7.0;
  snapshot.cache_metrics = {std::nullopt, static_cast<std::uint64_t>(second), 1, 0.5};
  snapshot.availability = Availability{"up", 1.0, std::nullopt, std::nullopt, 0.25};
  snapshot.overhead.mode = second % 2 == 0 ? "full" : "light";
  snapshot.losses.counts["unmatched_end"] = static_cast<std::uint64_t>(second);
  return snapshot;
}

int fail(const Error& error) {
  fmt::print(stderr, "influx-hour: {}\n", error.message);
  return EXIT_FAILURE;
}

int push_hour(const std::string& url, const std::string& database, const std::string& path) {
  InfluxPushOptions options;
  options.url = url;
  options.database = database;
  options.lines.tags = {{"host", "made up"}};
  auto push = InfluxPushSink::make(options);
  if (!push) return fail(push.error());
  InfluxFileSink file({path, options.lines});
  Report minute;
  for (int second = 0; second < kSeconds; ++second) {
    for (const auto* target : {"engine", "second one"})
      minute.snapshots.push_back(std::make_shared<const Snapshot>(made(target, second)));
    if ((second + 1) % 60 != 0) continue;
    for (Sink* sink : {static_cast<Sink*>(push->get()), static_cast<Sink*>(&file)}) {
      if (auto written = sink->write(minute); !written) return fail(written.error());
    }
    minute.snapshots.clear();
  }
  const auto points = *(*push)->points();
  fmt::print("sent {} rejected {} dropped {} queued {}\n", points.sent, points.rejected, points.dropped, points.queued);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    fmt::print(stderr, "usage: influx-hour URL DATABASE FILE\n");
    return 2;
  }
  return push_hour(arguments[1], arguments[2], arguments[3]);
}
