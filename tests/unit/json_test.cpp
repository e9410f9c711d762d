// Field names and shapes of the JSON snapshot, written out from the specification's table.
#include <gtest/gtest.h>

#include <limits>

#include "userspace/model/json_number.h"
#include "userspace/model/snapshot_builder.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) names.push_back(name);
  return names;
}

Snapshot idle_snapshot() {
  static const TargetCounters none;
  SnapshotInput input;
  input.target = "engine";
  input.timestamp_ms = 1'700'000'000'042;  // 2023-11-14T22:13:20.042Z
  input.previous = &none;
  input.current = &none;
  input.interval_seconds = 1;
  return build_snapshot(input);
}

TEST(Json, FieldNamesOfTheSpecification) {
  const Json json = to_json(idle_snapshot());
  EXPECT_EQ(keys(json), (std::vector<std::string>{"timestamp", "target", "interval_seconds", "query_metrics",
                                                  "system_metrics", "target_metrics", "cache_metrics", "health_score",
                                                  "health_deductions", "overhead", "losses"}));
  EXPECT_EQ(keys(json["query_metrics"]), (std::vector<std::string>{"total_queries",
                                                                   "successful_queries",
                                                                   "failed_queries",
                                                                   "abandoned_queries",
                                                                   "interval_queries",
                                                                   "queries_per_second",
                                                                   "queries_per_second_5m",
                                                                   "success_rate",
                                                                   "error_rate",
                                                                   "avg_response_time_seconds",
                                                                   "p50_response_time_seconds",
                                                                   "p95_response_time_seconds",
                                                                   "p99_response_time_seconds",
                                                                   "p999_response_time_seconds",
                                                                   "max_response_time_seconds",
                                                                   "avg_processing_time_seconds",
                                                                   "current_concurrent",
                                                                   "peak_concurrent",
                                                                   "oldest_in_flight_seconds",
                                                                   "percentile_error",
                                                                   "waits",
                                                                   "query_type_breakdown",
                                                                   "blocking",
                                                                   "phases"}));
  EXPECT_EQ(keys(json["query_metrics"]["waits"]),
            (std::vector<std::string>{"cpu_seconds", "run_queue_seconds", "disk_seconds", "page_fault_seconds",
                                      "lock_seconds", "sync_seconds", "network_seconds", "poll_seconds",
                                      "sleep_seconds", "ipc_seconds", "io_uring_seconds", "other_seconds",
                                      "unattributed_seconds", "throttled_seconds"}));
  EXPECT_EQ(keys(json["target_metrics"]),
            (std::vector<std::string>{"cpu_usage", "cpu_cores", "throttled_seconds", "memory_usage", "memory_total_mb",
                                      "memory_used_mb", "rss_mb", "page_faults_per_second", "disk_usage",
                                      "disk_read_mb", "disk_write_mb", "network_rx_mb", "network_tx_mb", "thread_count",
                                      "handle_count", "uptime_seconds"}));
  EXPECT_TRUE(json["system_metrics"].contains("cpu_steal"));
  EXPECT_EQ(keys(json["overhead"]),
            (std::vector<std::string>{"ns_per_query", "percent_of_target_cpu", "mode", "sampled_share"}));
  EXPECT_EQ(json["query_metrics"]["percentile_error"], 0.016);
  EXPECT_EQ(json["timestamp"], "2023-11-14T22:13:20.042Z");
  EXPECT_TRUE(json["query_metrics"]["success_rate"].is_null());
  EXPECT_EQ(json["losses"]["unmatched_end"], 0);
}

// Collects "a.b.c" of every null.
void find_nulls(const Json& json, const std::string& path, std::vector<std::string>& found) {
  for (const auto& [name, value] : json.items()) {
    const std::string here = path.empty() ? name : path + "." + name;
    if (value.is_null()) found.push_back(here);
    if (value.is_object()) find_nulls(value, here, found);
  }
}

TEST(Json, EveryNullHasItsReason) {
  const Json json = to_json(idle_snapshot());
  std::vector<std::string> nulls;
  find_nulls(json, "", nulls);
  EXPECT_GT(nulls.size(), 20U);
  for (const std::string& path : nulls) {
    bool explained = false;
    for (const auto& line : json["losses"]["unavailable"]) {
      explained = explained || line.get<std::string>().starts_with(path + ": ");
    }
    EXPECT_TRUE(explained) << path;
  }
}

TEST(Json, TypesAndFlags) {
  Snapshot snapshot = idle_snapshot();
  snapshot.summary = snapshot.estimated = true;
  TypeMetrics type;
  type.count = 12;
  type.success_rate = 0.5;
  type.waits = WaitSeconds{};
  (*type.waits)[OUTRIDER_WAIT_LOCK] = 1.5;
  snapshot.query_metrics.query_type_breakdown["path"] = type;
  snapshot.query_metrics.phases["plan"] = {3, 0.25, 9, 1.0};
  snapshot.health_deductions = {{"cpu_usage", 91, 80, 15}};
  const Json json = to_json(snapshot);
  EXPECT_EQ(json["summary"], true);
  EXPECT_EQ(json["estimated"], true);
  const Json& path = json["query_metrics"]["query_type_breakdown"]["path"];
  for (const char* name : {"count", "queries_per_second", "avg_response_time_seconds", "p50_response_time_seconds",
                           "p95_response_time_seconds", "p99_response_time_seconds", "success_rate", "cache_hit_rate",
                           "waits", "statement", "database", "user"}) {
    EXPECT_TRUE(path.contains(name)) << name;
  }
  EXPECT_EQ(path["waits"]["lock_seconds"], 1.5);
  EXPECT_EQ(json["query_metrics"]["phases"]["plan"]["seconds"], 0.25);
  EXPECT_EQ(json["health_deductions"][0]["penalty"], 15);
}

TEST(Json, ForeignBytesNeverThrow) {
  Snapshot snapshot = idle_snapshot();
  snapshot.target = "eng\xff\n\"ine";
  snapshot.query_metrics.query_type_breakdown["caf\xc3"] = TypeMetrics{};
  snapshot.query_metrics.queries_per_second = std::numeric_limits<double>::quiet_NaN();
  const std::string line = to_json_line(snapshot);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Json parsed = Json::parse(line);
  EXPECT_EQ(parsed["target"], "eng\xEF\xBF\xBD\n\"ine");
  EXPECT_TRUE(parsed["query_metrics"]["query_type_breakdown"].contains("caf\xEF\xBF\xBD"));
  EXPECT_TRUE(parsed["query_metrics"]["queries_per_second"].is_null());
}

TEST(Json, TimestampsBeforeAndAtTheEpoch) {
  EXPECT_EQ(format_timestamp(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_timestamp(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_timestamp(951'782'400'000), "2000-02-29T00:00:00.000Z");
}

TEST(Utf8, MalformedSequencesAreReplacedByteByByte) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(valid_utf8("plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"), "plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
  EXPECT_EQ(valid_utf8("\x80"), mark);
  EXPECT_EQ(valid_utf8("\xC0\xAF"), mark + mark);                        // overlong '/'
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), mark + mark + mark);             // surrogate
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), mark + mark + mark + mark);  // above U+10FFFF
  EXPECT_EQ(valid_utf8("\xE2\x82"), mark + mark);                        // cut off
}

TEST(Json, IsReadBackWhole) {
  Snapshot snapshot = idle_snapshot();
  snapshot.estimated = true;
  TypeMetrics type;
  type.count = 12;
  type.failed = 6;
  type.abandoned = 1;
  type.queries_per_second = 8;
  type.avg_response_time_seconds = 0.25;
  type.p99_response_time_seconds = 1.5;
  type.success_rate = 0.5;
  type.waits = WaitSeconds{};
  (*type.waits)[OUTRIDER_WAIT_LOCK] = 1.5;
  snapshot.query_metrics.query_type_breakdown["<script>"] = type;
  snapshot.query_metrics.waits = type.waits;
  snapshot.query_metrics.current_concurrent = 3;
  snapshot.query_metrics.phases["plan"] = {3, 0.25, 9, 1.0};
  snapshot.query_metrics.phases["sort"].probed = false;
  snapshot.target_metrics.thread_count = 7;
  snapshot.target_metrics.throttled_seconds = 0.125;
  snapshot.system_metrics.cpu_usage = 45;
  snapshot.cache_metrics = {0.75, 3, 1, 0.5};
  snapshot.health_score = 85;
  snapshot.health_deductions = {{"cpu_usage", 91, 80, 15}};
  snapshot.availability = Availability{"up", 1.0, 0.5, std::nullopt, 0.25};
  snapshot.overhead = {210, std::nullopt, "light", 1};
  snapshot.losses.counts["unmatched_end"] = 2;
  const Json json = to_json(snapshot);
  const auto read = snapshot_from_json(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(to_json(*read), json);
  EXPECT_EQ(read->timestamp_ms, 1'700'000'000'042);
  EXPECT_EQ(read->query_metrics.query_type_breakdown.at("<script>").interval_count, 8U);  // 8/s, in 1 s
  EXPECT_EQ(read->query_metrics.avg_response_time_seconds, std::nullopt);
  EXPECT_EQ(read->target_metrics.thread_count, 7U);
}

// What others wrote: a number that no count can have is refused, rather than turned into some other one.
TEST(Json, ImpossibleNumbersAreNoSnapshot) {
  const Json good = to_json(idle_snapshot());
  for (const char* path : {"/query_metrics/total_queries", "/query_metrics/interval_queries", "/cache_metrics/hits"}) {
    for (const Json& value : {Json(1e300), Json(-1), Json(-1.0), Json(0.5), Json("1"), Json(true), Json::array({1})}) {
      Json bad = good;
      bad[Json::json_pointer(path)] = value;
      EXPECT_FALSE(snapshot_from_json(bad)) << path << ' ' << value;
    }
    Json large = good;
    large[Json::json_pointer(path)] = UINT64_MAX;
    EXPECT_TRUE(snapshot_from_json(large)) << path;
  }
  EXPECT_EQ(kept_ms(Json(-5)), -5);
  EXPECT_EQ(whole_number<int>(Json(7.0)), 7);
  EXPECT_THROW(whole_number<int>(Json(std::int64_t{1} << 40)), Json::exception);
  EXPECT_THROW(kept_ms(Json(INT64_MAX)), Json::exception);
}

TEST(Json, SomethingElseIsNoSnapshot) {
  EXPECT_FALSE(snapshot_from_json(Json::array()));
  EXPECT_FALSE(snapshot_from_json(Json::object()));
  const Json good = to_json(idle_snapshot());
  ASSERT_TRUE(snapshot_from_json(good));
  for (const auto& [path, value] : std::vector<std::pair<std::string, Json>>{{"/timestamp", "yesterday"},
                                                                             {"/target", 7},
                                                                             {"/query_metrics", nullptr},
                                                                             {"/cache_metrics/hits", "many"},
                                                                             {"/health_deductions", "none"},
                                                                             {"/losses/unavailable", 3}}) {
    Json broken = good;
    broken[Json::json_pointer(path)] = value;
    EXPECT_FALSE(snapshot_from_json(broken)) << path;
  }
  Json older = good;  // that had one figure less
  older["query_metrics"].erase("peak_concurrent");
  EXPECT_TRUE(snapshot_from_json(older));
}

}  // namespace
}  // namespace outrider
