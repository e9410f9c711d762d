// The dashboard's columns, heat map and table of types; on a real store with hand-made points, whose figures are worked
// out here by hand.
#include "userspace/service/chart_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/unit/store_points.h"
#include "userspace/service/api.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

class ChartData : public StoreTest {
 protected:
  Json charts(const HistoryParameters& parameters, std::int64_t now_ms) {
    const auto answer = chart_data_json(parameters, source_of(*store_), now_ms);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *answer : Json();
  }

  Json types(const HistoryParameters& parameters, std::int64_t now_ms) {
    const auto answer = type_table_json(parameters, source_of(*store_), now_ms);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *answer : Json();
  }
};

TEST_F(ChartData, columns_have_a_value_or_null_for_each_step) {
  open();
  write(0, 30);
  const Json answer = charts({{"since", "1m"}, {"step", "1s"}}, kStartMs + 60'000);
  EXPECT_EQ(answer["from"], kStartMs);
  EXPECT_EQ(answer["step_seconds"], 1);
  for (const auto& [name, column] : answer["columns"].items()) EXPECT_EQ(column.size(), 60U) << name;
  const Json& rate = answer["columns"]["qps"];
  EXPECT_EQ(rate[0], 2);  // a fast one and a slow one
  EXPECT_EQ(rate[1], 1);
  EXPECT_TRUE(rate[30].is_null()) << "nobody read then: no figure, and not 0";
  EXPECT_EQ(answer["columns"]["error_rate"][0], 0.5);
  EXPECT_EQ(answer["columns"]["target_metrics.cpu_usage"][3], 3);
  EXPECT_EQ(answer["columns"]["cache_hit_rate"][1], 0.75);
  EXPECT_EQ(answer["columns"]["waits.lock_share"][1], 0.75);
  EXPECT_EQ(answer["metrics"]["avg"]["unit"], "seconds");
  // Six digits of 1,048,576 ns.
  EXPECT_EQ(answer["columns"]["avg"][1], 0.00104858);
}

// Read once a minute: each reading lies in the second of its middle, and ten minutes are ten steps with a figure.
TEST_F(ChartData, steps_are_no_shorter_than_the_interval_of_the_readings) {
  open();
  for (std::int64_t minute = 0; minute < 10; ++minute) {
    Point point = make_second(0);
    point.begin_ms = kStartMs + minute * kMinuteMs + 30'000;
    point.seconds = point.watched_seconds = point.up_seconds = 60;
    store_->add("engine", point);
  }
  flush_at(602);
  HistorySource source = source_of(*store_);
  source.interval_ms = [](const std::string&) { return kMinuteMs; };
  const auto answer = chart_data_json({{"since", "10m"}}, source, kStartMs + 600'000);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ((*answer)["step_seconds"], 60);
  // Two queries a minute, in six digits.
  EXPECT_EQ((*answer)["columns"]["qps"], Json(std::vector<double>(10, 0.0333333)));
}

TEST_F(ChartData, the_page_is_answered_in_steps_of_its_targets_interval) {
  open();
  write(0, 60);
  AlertBoard board;
  Flames flames;
  Queries queries;
  Api api(store_.get(), board, flames, queries);
  Report report;
  report.agent.emplace();
  for (const char* name : {"engine", "new"}) report.agent->targets.emplace_back().name = name;
  for (TargetState& target : report.agent->targets) target.interval_seconds = 60;
  api.configure(Config());
  api.publish(std::make_shared<Report>(report));
  const auto step = [&](const std::string& path, const HistoryParameters& query) {
    const HttpResponse response = api.handle({"GET", path, query, "*/*", "127.0.0.1:1"});
    EXPECT_EQ(response.status, 200) << *response.body;
    return Json::parse(*response.body)["step_seconds"];
  };
  for (const char* path : {"/api/v1/charts", "/api/v1/history", "/api/v1/dashboard"}) {
    EXPECT_EQ(step(path, {{"target", "engine"}}), 60) << path;
  }
  EXPECT_EQ(step("/api/v1/charts", {{"target", "new"}}), 60) << "of which there is no past yet";
  EXPECT_EQ(step("/api/v1/charts", {{"target", "engine"}, {"step", "10s"}}), 10) << "somebody asked for it";
  // What is asked for and cannot be had is no other answer.
  for (const char* name : {"since", "format", "metric"}) {
    EXPECT_EQ(api.handle({"GET", "/api/v1/trends", {{name, "1"}}, "*/*", "127.0.0.1:1"}).status, 400) << name;
  }
}

TEST_F(ChartData, amounts_are_told_as_rates) {
  open();
  for (std::int64_t index = 0; index < 10; ++index) {
    Point point = make_second(index);
    point.gauges["target_metrics.disk_read_mb"] = {3, 0.5, 6, 6};  // 3 MiB in half a second
    store_->add("engine", point);
  }
  flush_at(12);
  const Json answer = charts({{"since", "10s"}, {"step", "5s"}}, kStartMs + 10'000);
  EXPECT_EQ(answer["columns"]["target_metrics.disk_read_mb_per_second"][0], 6);
  EXPECT_EQ(answer["metrics"]["target_metrics.disk_read_mb_per_second"]["unit"], "MiB/s");
}

TEST_F(ChartData, the_heat_map_holds_each_query_once) {
  open();
  write(0, 20);
  const Json answer = charts({{"since", "30s"}, {"step", "10s"}}, kStartMs + 30'000);
  const Json& map = answer["heat_map"];
  // 2^20 ns and 2^24 ns are 4 octaves apart, and a row is a quarter of one: 17 rows, 18 edges.
  ASSERT_EQ(map["lower_seconds"].size(), 18U);
  EXPECT_DOUBLE_EQ(map["lower_seconds"][0].get<double>(), static_cast<double>(kFastNs) / 1e9);
  EXPECT_DOUBLE_EQ(map["lower_seconds"][16].get<double>(), static_cast<double>(kSlowNs) / 1e9);
  ASSERT_EQ(map["columns"].size(), 3U);
  EXPECT_EQ(map["columns"][0], Json::array({0, 10, 16, 1}));
  EXPECT_EQ(map["columns"][1], Json::array({0, 10, 16, 1}));
  EXPECT_TRUE(map["columns"][2].is_null()) << "nobody watched then";
}

TEST_F(ChartData, one_type_filters_what_there_is_of_it) {
  open();
  write(0, 20);
  const Json answer = charts({{"since", "20s"}, {"step", "10s"}, {"type", "write"}}, kStartMs + 20'000);
  EXPECT_EQ(answer["type"], "write");
  EXPECT_EQ(answer["columns"]["queries"], Json::array({1, 1}));
  EXPECT_EQ(answer["columns"]["error_rate"], Json::array({1, 1}));
  EXPECT_EQ(answer["heat_map"]["columns"][0], Json::array({0, 1}));
  EXPECT_TRUE(answer["metrics"]["avg"]["of_type"]);
  // Of the whole target, and still there: the mean of 0 to 6, 0, 1, 2.
  EXPECT_EQ(answer["columns"]["target_metrics.cpu_usage"][0], 2.4);
  EXPECT_FALSE(answer["metrics"]["target_metrics.cpu_usage"]["of_type"]);
}

// Asked in steps of ten seconds: seconds 20 to 29 have both processes, and the next step tells when the second began.
TEST_F(ChartData, restarts_are_told_by_when_the_process_began) {
  open();
  for (std::int64_t index = 0; index < 40; ++index) {
    Point point = make_second(index);
    const double age = index < 24 ? 500 + static_cast<double>(index) : static_cast<double>(index) - 24 + 0.5;
    point.gauges["target_metrics.uptime_seconds"] = {age, 1, age, age};
    store_->add("engine", point);
  }
  flush_at(42);
  for (const HistoryParameters& more : {HistoryParameters{}, HistoryParameters{{"type", "write"}}}) {
    HistoryParameters parameters = more;
    parameters["since"] = "40s";
    parameters["step"] = "10s";
    EXPECT_EQ(charts(parameters, kStartMs + 40'000)["restarts"], Json::array({kStartMs + 24'500}));
  }
}

TEST_F(ChartData, what_cannot_be_answered_is_refused_in_words) {
  open();
  write(0, 20);
  const HistorySource source = source_of(*store_);
  const std::int64_t now = kStartMs + 20'000;
  const auto unknown = chart_data_json({{"type", "<script>"}}, source, now);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ENOENT);
  const auto many = chart_data_json({{"since", "1d"}, {"step", "1s"}}, source, now);
  ASSERT_FALSE(many);
  EXPECT_THAT(many.error().message, HasSubstr("give a step of"));
}

TEST_F(ChartData, a_window_longer_than_the_store_is_empty_where_there_is_nothing) {
  open();
  write(0, 60);
  const Json answer = charts({{"since", "30d"}}, kStartMs + 60'000);
  const Json& queries = answer["columns"]["queries"];
  EXPECT_EQ(queries.size(), 361U) << "of two hours each; neither end lies on one";
  EXPECT_EQ(queries.back(), 66);
  EXPECT_TRUE(queries[queries.size() - 2].is_null());
}

TEST_F(ChartData, types_with_their_shares_and_what_they_were_an_hour_before) {
  open();
  write(0, 60);
  write(3'600, 3'660);
  const std::int64_t now = kStartMs + 3'660'000;
  const Json answer = types({{"since", "60s"}}, now);
  EXPECT_EQ(answer["from"], kStartMs + 3'600'000);
  EXPECT_EQ(answer["before_from"], kStartMs);
  ASSERT_EQ(answer["types"].size(), 2U);
  // 6 x 2^24 ns of writes are more than 60 x 2^20 ns of reads: 96 to 60.
  const Json& first = answer["types"][0];
  EXPECT_EQ(first["name"], "write");
  EXPECT_NEAR(first["share"].get<double>(), 96.0 / 156, 1e-9);
  EXPECT_NEAR(first["queries_per_second"].get<double>(), 0.1, 1e-9);
  EXPECT_EQ(first["error_rate"], 1);
  EXPECT_NEAR(first["p99_response_time_seconds"].get<double>(), kSlowSeconds, 0.016 * kSlowSeconds);
  EXPECT_EQ(first["waits"]["lock"], 0.75);
  EXPECT_EQ(first["before"]["queries"], 6);
  EXPECT_EQ(answer["types"][1]["name"], "read");
}

TEST_F(ChartData, of_very_many_types_those_are_told_that_took_most_time) {
  open();
  Point point = make_second(0);
  for (std::uint64_t type = 0; type < 1'500; ++type) {
    add_query(point.types["t" + std::to_string(type)], kSlowNs + type * 1'000);
  }
  store_->add("engine", point);
  flush_at(2);
  const Json answer = types({{"since", "10s"}}, kStartMs + 10'000);
  ASSERT_EQ(answer["types"].size(), 1'000U);
  EXPECT_EQ(answer["types_left_out"], 502);
  EXPECT_EQ(answer["types"].front()["name"], "t1499");
  EXPECT_EQ(answer["types"].back()["name"], "t500");
}

// The default hour ends within a minute, and is widened to 61 of them; a day to 25 hours.
TEST_F(ChartData, what_was_before_ends_where_the_window_begins_and_is_as_long_ago_as_it_is_long) {
  open();
  write(0, 60);
  const std::int64_t now = kStartMs + 2 * kHourMs + 30'500;
  const Json hour = types({}, now);
  EXPECT_EQ(hour["from"], kStartMs + kHourMs);
  EXPECT_EQ(hour["to"], kStartMs + 2 * kHourMs + kMinuteMs);
  EXPECT_EQ(hour["before_from"], kStartMs);
  EXPECT_EQ(hour["before_to"], hour["from"]);
  EXPECT_EQ(types({{"since", "65m"}}, now)["before_from"],
            hour["from"].get<std::int64_t>() - 2 * kHourMs - 5 * kMinuteMs);
  const Json day = types({{"since", "1d"}}, kStartMs + 48 * kHourMs + 30'500);
  EXPECT_EQ(day["from"], kStartMs + 24 * kHourMs);
  EXPECT_EQ(day["to"], kStartMs + 49 * kHourMs);
  EXPECT_EQ(day["before_from"], kStartMs);
  EXPECT_EQ(day["before_to"], day["from"]);
}

// Of "engine" there is a past that cannot be read; of "new" there is none yet.
TEST_F(ChartData, a_store_that_cannot_be_read_is_no_empty_past) {
  open();
  write(0, 60);
  AlertBoard board;
  Flames flames;
  Queries queries;
  Api api(store_.get(), board, flames, queries);
  Report report;
  report.agent.emplace();
  for (const char* name : {"engine", "new"}) report.agent->targets.emplace_back().name = name;
  api.configure(Config());
  api.publish(std::make_shared<Report>(report));
  const auto status = [&](const char* path, const char* target) {
    return api.handle({"GET", path, {{"target", target}}, "*/*", "127.0.0.1:1"}).status;
  };
  const auto paths = {"/api/v1/charts", "/api/v1/types", "/api/v1/dashboard"};
  for (const char* path : paths) EXPECT_EQ(status(path, "new"), 200) << path;
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(options_.path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, "ALTER TABLE rolled RENAME TO lost", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
  for (const char* path : paths) EXPECT_EQ(status(path, "engine"), 503) << path;
}

TEST_F(ChartData, a_type_that_is_new_has_no_before) {
  open();
  write(0, 60);
  const Json answer = types({{"since", "60s"}}, kStartMs + 60'000);
  EXPECT_TRUE(answer["types"][0]["before"].is_null());
}

TEST_F(ChartData, long_windows_of_types_are_whole_minutes) {
  open();
  write(0, 600);
  const Json answer =
      types({{"from", "@" + std::to_string(kStartMs / 1000 + 30)}, {"to", "@" + std::to_string(kStartMs / 1000 + 390)}},
            kStartMs + 600'000);
  EXPECT_EQ(answer["from"], kStartMs);
  EXPECT_EQ(answer["to"], kStartMs + 420'000);
  EXPECT_EQ(answer["queries"], 7 * 66);
}

}  // namespace
}  // namespace outrider
