// Snapshots from hand-made counter readings; every expected figure is worked out in the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "userspace/model/resource_summary.h"
#include "userspace/model/snapshot_builder.h"
#include "userspace/model/throughput.h"

namespace outrider {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
using testing::Contains;
using testing::StartsWith;

/// One query, on the CPU all the time, as full mode counts it.
void add_query(TypeCounters& type, std::uint64_t ns, bool ok = true) {
  ++type.queries;
  ++type.timed;
  if (!ok) ++type.failed;
  type.duration_ns += ns;
  type.wait_ns[OUTRIDER_WAIT_CPU] += ns;
  type.interval_max_ns = std::max(type.interval_max_ns, ns);
  ++type.histogram[outrider_hist_index(ns)];
}

TypeCounters make_type(const std::string& name, bool nested = false) {
  TypeCounters type;
  type.type = name;
  type.nested = nested;
  return type;
}

SnapshotInput make_input(const TargetCounters& previous, const TargetCounters& current, double seconds = 1) {
  SnapshotInput input;
  input.target = "engine";
  input.previous = &previous;
  input.current = &current;
  input.interval_seconds = seconds;
  return input;
}

double sum(const WaitSeconds& waits) { return std::accumulate(waits.begin(), waits.end(), 0.0); }

// The mission's own test 1.
TEST(Mission, performance_metrics_collection) {
  TargetCounters none, now;
  TypeCounters type = make_type("factual");
  for (std::uint64_t ms = 20; ms <= 65; ms += 5) add_query(type, ms * kMs);
  now.types.push_back(type);
  const Snapshot snapshot = build_snapshot(make_input(none, now));
  EXPECT_EQ(snapshot.query_metrics.total_queries, 10U);
  EXPECT_GT(snapshot.query_metrics.success_rate.value(), 0.9);
  EXPECT_NEAR(snapshot.query_metrics.avg_response_time_seconds.value(), 0.0425, 1e-12);  // (20 + 65) / 2
  EXPECT_NEAR(snapshot.query_metrics.p50_response_time_seconds.value(), 0.040, 0.040 * kPercentileError);
  EXPECT_NEAR(snapshot.query_metrics.p95_response_time_seconds.value(), 0.065, 0.065 * kPercentileError);
  EXPECT_DOUBLE_EQ(snapshot.query_metrics.max_response_time_seconds.value(), 0.065);
}

TEST(Snapshot, RatesAreOverTheIntervalAndTotalsSinceAttach) {
  TargetCounters before, now;
  TypeCounters type = make_type("path");
  for (int i = 0; i < 6; ++i) add_query(type, 10 * kMs);
  before.types = {type};
  for (int i = 0; i < 3; ++i) add_query(type, 30 * kMs);
  add_query(type, 30 * kMs, false);
  type.abandoned = 2;
  now.types = {type};
  const Snapshot snapshot = build_snapshot(make_input(before, now, 2));
  const QueryMetrics& metrics = snapshot.query_metrics;
  EXPECT_EQ(metrics.total_queries, 10U);
  EXPECT_EQ(metrics.successful_queries, 9U);
  EXPECT_EQ(metrics.failed_queries, 1U);
  EXPECT_EQ(metrics.abandoned_queries, 2U);
  EXPECT_EQ(metrics.interval_queries, 4U);
  EXPECT_DOUBLE_EQ(metrics.queries_per_second, 2);
  EXPECT_DOUBLE_EQ(metrics.error_rate.value(), 0.25);
  EXPECT_DOUBLE_EQ(metrics.success_rate.value(), 0.75);
  EXPECT_NEAR(metrics.avg_response_time_seconds.value(), 0.030, 1e-12);
  EXPECT_NEAR(metrics.avg_processing_time_seconds.value(), 0.030, 1e-12);
  const TypeMetrics& path = metrics.query_type_breakdown.at("path");
  EXPECT_EQ(path.count, 10U);
  EXPECT_EQ(path.interval_count, 4U);
  EXPECT_EQ(histogram_count(path.histogram_total), 10U);
  EXPECT_NEAR(path.duration_seconds_total, 0.18, 1e-12);
}

TEST(Snapshot, NestedQueriesCountForTheirTypeOnly) {
  TargetCounters none, now;
  TypeCounters outer = make_type("a"), inner = make_type("a", true), other = make_type("b", true);
  add_query(outer, 50 * kMs);
  add_query(inner, 10 * kMs);
  add_query(other, 5 * kMs, false);
  now.types = {outer, inner, other};
  const QueryMetrics metrics = build_snapshot(make_input(none, now)).query_metrics;
  EXPECT_EQ(metrics.total_queries, 1U);
  EXPECT_EQ(metrics.failed_queries, 0U);
  EXPECT_NEAR(sum(metrics.waits.value()), 0.050, 1e-12);
  EXPECT_EQ(metrics.query_type_breakdown.at("a").count, 2U);
  EXPECT_NEAR(metrics.query_type_breakdown.at("a").avg_response_time_seconds.value(), 0.030, 1e-12);
  EXPECT_EQ(metrics.query_type_breakdown.at("b").count, 1U);
  EXPECT_EQ(metrics.query_type_breakdown.at("b").failed, 1U);
}

TEST(Snapshot, WaitsAddUpToTheWallTime) {
  TargetCounters none, now;
  TypeCounters type = make_type("a");
  add_query(type, 100 * kMs);
  type.wait_ns[OUTRIDER_WAIT_CPU] = 30 * kMs;
  type.wait_ns[OUTRIDER_WAIT_DISK] = 60 * kMs;
  now.types = {type};
  const WaitSeconds waits = build_snapshot(make_input(none, now)).query_metrics.waits.value();
  EXPECT_NEAR(waits[OUTRIDER_WAIT_CPU], 0.030, 1e-12);
  EXPECT_NEAR(waits[OUTRIDER_WAIT_DISK], 0.060, 1e-12);
  EXPECT_NEAR(waits[OUTRIDER_WAIT_UNATTRIBUTED], 0.010, 1e-12);
  EXPECT_NEAR(sum(waits), 0.100, 1e-12);
}

TEST(Snapshot, WithoutQueriesRatesAreNullWithTheReason) {
  const TargetCounters none;
  const Snapshot snapshot = build_snapshot(make_input(none, none));
  EXPECT_FALSE(snapshot.query_metrics.success_rate);
  EXPECT_FALSE(snapshot.query_metrics.error_rate);
  EXPECT_FALSE(snapshot.query_metrics.p999_response_time_seconds);
  EXPECT_FALSE(snapshot.cache_metrics.hit_rate);
  EXPECT_DOUBLE_EQ(sum(snapshot.query_metrics.waits.value()), 0);
  EXPECT_EQ(snapshot.query_metrics.current_concurrent, 0);
  EXPECT_THAT(snapshot.losses.unavailable, Contains("query_metrics.success_rate: no query ended in the interval"));
  EXPECT_THAT(snapshot.losses.unavailable, Contains("query_metrics.oldest_in_flight_seconds: no query is in flight"));
  EXPECT_THAT(snapshot.losses.unavailable, Contains(StartsWith("cache_metrics.hit_rate: ")));
}

TEST(Snapshot, LightModeHasNoWaitsAndNothingInFlight) {
  TargetCounters none, now;
  TypeCounters type = make_type("a");
  add_query(type, 10 * kMs);
  type.timed = 0;
  type.wait_ns = {};
  now.types = {type};
  now.concurrent = 3;
  SnapshotInput input = make_input(none, now);
  input.mode = ProbeMode::kLight;
  const Snapshot snapshot = build_snapshot(input);
  EXPECT_EQ(snapshot.query_metrics.interval_queries, 1U);
  EXPECT_TRUE(snapshot.query_metrics.p99_response_time_seconds);
  EXPECT_FALSE(snapshot.query_metrics.waits);
  EXPECT_FALSE(snapshot.query_metrics.avg_processing_time_seconds);
  EXPECT_FALSE(snapshot.query_metrics.current_concurrent);
  EXPECT_FALSE(snapshot.query_metrics.peak_concurrent);
  EXPECT_FALSE(snapshot.query_metrics.oldest_in_flight_seconds);
  EXPECT_FALSE(snapshot.query_metrics.query_type_breakdown.at("a").waits);
  EXPECT_EQ(snapshot.overhead.mode, "light");
  for (const char* field :
       {"waits", "avg_processing_time_seconds", "current_concurrent", "peak_concurrent", "oldest_in_flight_seconds"}) {
    EXPECT_THAT(snapshot.losses.unavailable,
                Contains("query_metrics." + std::string(field) + ": light mode has no start probe"));
  }
}

TEST(Snapshot, InFlightFigures) {
  TargetCounters before, now;
  before.concurrent = 7;
  now.concurrent = 2;
  now.interval_peak = 5;
  now.time_ns = 9'000'000'000;
  now.oldest_start_ns = 6'500'000'000;
  const QueryMetrics metrics = build_snapshot(make_input(before, now)).query_metrics;
  EXPECT_EQ(metrics.current_concurrent, 2);
  EXPECT_EQ(metrics.peak_concurrent, 7);  // open when the interval began
  EXPECT_DOUBLE_EQ(metrics.oldest_in_flight_seconds.value(), 2.5);
}

TEST(Snapshot, TheLongestQueryClampsItsOwnBucketOnly) {
  TargetCounters none, now;
  TypeCounters type = make_type("a");
  add_query(type, 1'048'576);  // lower edge of its bucket: the middle is 1/64 too high
  now.types = {type};
  QueryMetrics metrics = build_snapshot(make_input(none, now)).query_metrics;
  EXPECT_DOUBLE_EQ(metrics.p999_response_time_seconds.value(), 0.001048576);
  EXPECT_DOUBLE_EQ(metrics.max_response_time_seconds.value(), 0.001048576);

  // A maximum of another epoch, below the bucket, must not pull a percentile down, and is not the maximum.
  now.types[0].interval_max_ns = 500;
  metrics = build_snapshot(make_input(none, now)).query_metrics;
  EXPECT_DOUBLE_EQ(metrics.p999_response_time_seconds.value(), 0.0010649595);
  EXPECT_DOUBLE_EQ(metrics.max_response_time_seconds.value(), 0.0010649595);
}

TEST(Snapshot, NewVanishedAndRestartedTypes) {
  TargetCounters before, now;
  TypeCounters gone = make_type("gone"), restarted = make_type("again"), fresh = make_type("fresh");
  for (int i = 0; i < 5; ++i) add_query(gone, kMs);
  for (int i = 0; i < 5; ++i) add_query(restarted, kMs);
  before.types = {gone, restarted};
  restarted = make_type("again");
  for (int i = 0; i < 2; ++i) add_query(restarted, kMs);
  for (int i = 0; i < 3; ++i) add_query(fresh, kMs);
  now.types = {restarted, fresh};

  RunningTotals totals;
  totals.add(difference({}, before), 1);
  totals.add(difference(before, now), 1);
  SnapshotInput input = make_input(before, now);
  input.totals = &totals;
  const QueryMetrics metrics = build_snapshot(input).query_metrics;
  EXPECT_EQ(metrics.total_queries, 15U);  // never falls
  EXPECT_EQ(metrics.interval_queries, 5U);
  EXPECT_EQ(metrics.query_type_breakdown.at("gone").count, 5U);
  EXPECT_FALSE(metrics.query_type_breakdown.at("gone").success_rate);
  EXPECT_EQ(metrics.query_type_breakdown.at("again").interval_count, 2U);
  EXPECT_EQ(metrics.query_type_breakdown.at("fresh").count, 3U);
}

TEST(Snapshot, CacheIsProbesAndGuards) {
  TargetCounters before, now;
  before.cache_hits = 100;
  now.cache_hits = 106;
  now.cache_misses = 1;
  TypeCounters type = make_type("a");
  add_query(type, kMs);
  type.cache_hits = 2;
  type.cache_misses = 1;
  TypeCounters nested = make_type("b");
  nested.nested = true;
  nested.cache_hits = 6;  // counted with the inner query alone
  now.types = {type, nested};
  const Snapshot snapshot = build_snapshot(make_input(before, now));
  EXPECT_DOUBLE_EQ(snapshot.cache_metrics.hit_rate.value(), 0.875);  // (6 + 2 + 6) / (7 + 3 + 6)
  EXPECT_EQ(snapshot.cache_metrics.hits, 114U);
  EXPECT_EQ(snapshot.cache_metrics.misses, 2U);
  EXPECT_NEAR(snapshot.query_metrics.query_type_breakdown.at("a").cache_hit_rate.value(), 2.0 / 3, 1e-12);
}

TEST(Snapshot, DutyCycleIsExtrapolatedAndFlagged) {
  TargetCounters first, second;
  TypeCounters type = make_type("a");
  for (int i = 0; i < 10; ++i) add_query(type, kMs, i != 0);
  first.types = second.types = {type};
  RunningTotals totals;
  totals.add(difference({}, first), 1);         // seen: 10 in one second, one failed
  totals.add(difference(first, second), 2, 0);  // two blind seconds: about 20 more, two failed
  SnapshotInput input = make_input(first, second, 2);
  input.totals = &totals;
  input.mode = ProbeMode::kPaused;
  input.query_share = 0;
  Snapshot snapshot = build_snapshot(input);
  EXPECT_TRUE(snapshot.estimated);
  EXPECT_EQ(snapshot.query_metrics.total_queries, 30U);
  EXPECT_EQ(snapshot.query_metrics.failed_queries, 3U);
  EXPECT_EQ(snapshot.query_metrics.interval_queries, 20U);
  EXPECT_DOUBLE_EQ(snapshot.query_metrics.queries_per_second, 10);
  EXPECT_FALSE(snapshot.query_metrics.avg_response_time_seconds);
  EXPECT_FALSE(snapshot.query_metrics.waits);
  EXPECT_DOUBLE_EQ(snapshot.overhead.sampled_share, 0);

  for (int i = 0; i < 5; ++i) add_query(type, kMs);
  TargetCounters third;
  third.types = {type};
  totals.add(difference(second, third), 1, 0.5);  // half a second seen: 5 seen, 5 more estimated
  input = make_input(second, third);
  input.totals = &totals;
  input.query_share = 0.5;
  snapshot = build_snapshot(input);
  EXPECT_EQ(snapshot.query_metrics.total_queries, 40U);
  EXPECT_EQ(snapshot.query_metrics.interval_queries, 10U);
  EXPECT_DOUBLE_EQ(snapshot.query_metrics.queries_per_second, 10);
}

TEST(Snapshot, ATypeThatRestedIsNotExtrapolated) {
  TargetCounters first;
  TypeCounters type = make_type("a");
  for (int i = 0; i < 10; ++i) add_query(type, kMs);
  first.types = {type};
  RunningTotals totals;
  totals.add(difference({}, first), 1);
  totals.add(difference(first, first), 1);     // nothing ran
  totals.add(difference(first, first), 2, 0);  // two blind seconds: still nothing
  SnapshotInput input = make_input(first, first, 2);
  input.totals = &totals;
  input.mode = ProbeMode::kPaused;
  input.query_share = 0;
  EXPECT_EQ(build_snapshot(input).query_metrics.total_queries, 10U);
}

TEST(Snapshot, TypesOfAnEngineThatWasThereBeforeAreLeftOut) {
  TargetCounters before, now;
  TypeCounters old = make_type("old"), mine = make_type("mine");
  add_query(old, kMs);
  before.types = {old};
  add_query(mine, kMs);
  now.types = {old, mine};
  RunningTotals totals;
  totals.add(difference(before, now), 1);
  SnapshotInput input = make_input(before, now);
  input.totals = &totals;
  const auto& types = build_snapshot(input).query_metrics.query_type_breakdown;
  EXPECT_EQ(types.size(), 1U);
  EXPECT_TRUE(types.contains("mine"));
}

TEST(Snapshot, SummaryCoversTheWholeRun) {
  TargetCounters first, second;
  TypeCounters type = make_type("a");
  add_query(type, 80 * kMs);
  first.types = {type};
  first.interval_peak = 4;
  type.interval_max_ns = 0;
  add_query(type, 20 * kMs);
  second.types = {type};
  RunningTotals totals;
  totals.add(difference({}, first), 1);
  totals.add(difference(first, second), 1);
  SnapshotInput input = make_input({}, second, 2);
  input.previous = nullptr;
  input.totals = &totals;
  input.summary = true;
  const Snapshot snapshot = build_snapshot(input);
  EXPECT_TRUE(snapshot.summary);
  EXPECT_FALSE(snapshot.estimated);
  EXPECT_EQ(snapshot.query_metrics.total_queries, 2U);
  EXPECT_EQ(snapshot.query_metrics.interval_queries, 2U);
  EXPECT_DOUBLE_EQ(snapshot.query_metrics.queries_per_second, 1);
  EXPECT_NEAR(snapshot.query_metrics.avg_response_time_seconds.value(), 0.050, 1e-12);
  EXPECT_DOUBLE_EQ(snapshot.query_metrics.max_response_time_seconds.value(), 0.080);
  EXPECT_EQ(snapshot.query_metrics.peak_concurrent, 4);
}

TEST(Snapshot, TargetFiguresComeFromTheKernelsAccounting) {
  TargetCounters before, now;
  before.cpu_ns = 1'000'000'000;
  now.cpu_ns = 4'000'000'000;
  now.faults = 50;
  now.threads = 12;
  SnapshotInput input = make_input(before, now, 2);
  input.target_resources.allowed_cores = 2;
  const ResourceMetrics target = build_snapshot(input).target_metrics;
  EXPECT_DOUBLE_EQ(target.cpu_cores.value(), 1.5);
  EXPECT_DOUBLE_EQ(target.cpu_usage.value(), 75);
  EXPECT_DOUBLE_EQ(target.page_faults_per_second.value(), 25);
  EXPECT_EQ(target.thread_count, 12U);
}

TEST(Snapshot, EveryLossIsThereByName) {
  TargetCounters none, now;
  now.losses[OUTRIDER_LOSS_TOO_DEEP] = 3;
  const Losses losses = build_snapshot(make_input(none, now)).losses;
  EXPECT_EQ(losses.counts.size(), static_cast<std::size_t>(OUTRIDER_LOSSES));
  EXPECT_EQ(losses.counts.at("too_deep"), 3U);
  EXPECT_EQ(losses.counts.at("types_full"), 0U);
}

TEST(ResourceSummary, MeansSumsAndLastValues) {
  ResourceSummary run;
  ResourceSample sample;
  sample.metrics.cpu_usage = 10;
  sample.metrics.disk_read_mb = 2;
  sample.metrics.rss_mb = 100;
  run.add(sample, 1);
  sample.metrics.cpu_usage = 50;
  sample.metrics.disk_read_mb = 3;
  sample.metrics.rss_mb = 120;
  run.add(sample, 3);
  run.add(ResourceSample{}, 1);  // the target is gone
  const ResourceMetrics metrics = run.result().metrics;
  EXPECT_DOUBLE_EQ(metrics.cpu_usage.value(), 40);  // (10 * 1 + 50 * 3) / 4
  EXPECT_DOUBLE_EQ(metrics.disk_read_mb.value(), 5);
  EXPECT_DOUBLE_EQ(metrics.rss_mb.value(), 120);
  EXPECT_FALSE(metrics.network_rx_mb);
}

TEST(Throughput, MeanOfTheLastFiveMinutes) {
  ThroughputWindow window;
  EXPECT_FALSE(window.mean());
  window.add(5, 0.5);
  EXPECT_DOUBLE_EQ(window.mean().value(), 10);
  window.add(15, 0.5);
  EXPECT_DOUBLE_EQ(window.mean().value(), 20);  // 5 + 15 in the first second
  window.add(80, 2);
  EXPECT_NEAR(window.mean().value(), 100.0 / 3, 1e-9);
  for (int i = 0; i < 300; ++i) window.add(7, 1);
  EXPECT_NEAR(window.mean().value(), 7, 1e-9);
  window.add(86400, 86400);
  EXPECT_NEAR(window.mean().value(), 1, 1e-9);
}

}  // namespace
}  // namespace outrider
