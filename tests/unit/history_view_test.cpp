// History as it is asked for and answered, and the dashboard made of it; on a real store with hand-made points.
#include "userspace/history/history_view.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/store_points.h"
#include "userspace/history/trends.h"
#include "userspace/service/api.h"
#include "userspace/service/dashboard.h"

namespace outrider {
namespace {

using testing::HasSubstr;

class HistoryView : public StoreTest {
 protected:
  Result<HistoryTable> ask(const HistoryParameters& parameters, std::int64_t now_ms, std::size_t max_rows = 60) {
    const HistorySource source = source_of(*store_);
    const auto request = parse_history_request(parameters, source, now_ms, max_rows);
    if (!request) return request.error();
    return read_history(*request, source);
  }

  std::string refusal(const HistoryParameters& parameters) {
    const auto table = ask(parameters, kStartMs + kMinuteMs);
    EXPECT_FALSE(table);
    return table ? std::string() : table.error().message;
  }
};

TEST_F(HistoryView, a_window_of_the_last_minutes_is_whole_steps) {
  open();
  write(0, 300);
  const auto table = ask({{"since", "5m"}, {"step", "1m"}, {"metric", "queries,failed,p99"}}, kStartMs + 300'000);
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_FALSE(table->window.rounded);
  ASSERT_EQ(table->rows.size(), 5U);
  for (const HistoryTable::Row& row : table->rows) {
    // 60 fast queries, and 6 slow ones that fail: the 99th percentile is slow.
    EXPECT_EQ(row.values[0], 66);
    EXPECT_EQ(row.values[1], 6);
    EXPECT_NEAR(*row.values[2], kSlowSeconds, 0.016 * kSlowSeconds);
  }
  const auto json = to_json(*table);
  EXPECT_EQ(json["points"].size(), 5U);
  EXPECT_EQ(json["points"][0]["query_metrics.interval_queries"], 66);
  EXPECT_EQ(json["metrics"][2]["unit"], "seconds");
  EXPECT_THAT(to_csv(*table), HasSubstr("timestamp,query_metrics.interval_queries,query_metrics.failed_queries"));
}

TEST_F(HistoryView, one_type) {
  open();
  write(0, 60);
  const auto table =
      ask({{"since", "1m"}, {"step", "1m"}, {"type", "write"}, {"metric", "queries"}}, kStartMs + 60'000);
  ASSERT_TRUE(table) << table.error().message;
  ASSERT_EQ(table->rows.size(), 1U);
  EXPECT_EQ(table->rows[0].values[0], 6);
}

TEST_F(HistoryView, the_step_follows_from_the_rows) {
  open();
  write(0, 60);
  const HistorySource source = source_of(*store_);
  for (const auto& [since, rows, step_seconds] : {std::tuple("1h", 60U, 60), std::tuple("1h", 500U, 10),
                                                  std::tuple("1m", 60U, 1), std::tuple("30d", 60U, 43200)}) {
    const auto request = parse_history_request({{"since", since}}, source, kStartMs, rows);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->query.step_ms, step_seconds * 1000) << since;
  }
}

TEST_F(HistoryView, a_step_that_nobody_asked_for_is_no_shorter_than_the_interval) {
  open();
  write(0, 60);
  HistorySource source = source_of(*store_);
  std::int64_t interval_ms = 0;
  source.interval_ms = [&](const std::string& target) { return target == "engine" ? interval_ms : 0; };
  const auto step_of = [&](const HistoryParameters& parameters, std::int64_t interval) {
    interval_ms = interval;
    const auto request = parse_history_request(parameters, source, kStartMs + 30'000, 500);
    EXPECT_TRUE(request) << request.error().message;
    return request ? request->query.step_ms : 0;
  };
  EXPECT_EQ(step_of({{"since", "1h"}}, 1'000), 10'000);
  EXPECT_EQ(step_of({{"since", "1h"}}, 60'000), 60'000);
  EXPECT_EQ(step_of({{"since", "1h"}}, 45'000), 60'000);
  EXPECT_EQ(step_of({{"since", "5m"}}, kHourMs), kHourMs);
  EXPECT_EQ(step_of({{"since", "30d"}}, 60'000), 7'200'000) << "which it is without an interval";
  EXPECT_EQ(step_of({{"since", "1h"}, {"step", "10s"}}, 60'000), 10'000) << "somebody asked for it";
  // Widened to the steps that it has.
  const auto request = parse_history_request({{"since", "1h"}}, source, kStartMs + 30'000, 500);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->query.from_ms, kStartMs - kHourMs);
  EXPECT_EQ(request->query.to_ms, kStartMs + kMinuteMs);
}

TEST_F(HistoryView, the_only_target_is_the_only_one_of_the_window) {
  open();
  write(0, 60, "old name");
  write(600, 660, "new name");
  HistorySource source = source_of(*store_);
  source.targets_in = [&](std::int64_t from_ms, std::int64_t to_ms) { return store_->targets_in(from_ms, to_ms); };
  const auto only = [&](std::int64_t from_second, std::int64_t to_second) {
    const HistoryParameters parameters = {{"from", fmt::format("@{}", kStartMs / 1'000 + from_second)},
                                          {"to", fmt::format("@{}", kStartMs / 1'000 + to_second)}};
    const auto request = parse_history_request(parameters, source, kStartMs + kHourMs, 60);
    return request ? request->query.target : request.error().message;
  };
  EXPECT_EQ(only(500, 700), "new name");
  EXPECT_EQ(only(59, 600), "old name");
  EXPECT_EQ(only(0, 700), "which target? There is history of new name, old name");
  // Nobody has points there, so that all are meant.
  EXPECT_EQ(only(200, 300), "which target? There is history of new name, old name");
  // The fine points go, and it is the same.
  flush_at(3 * 3'600);
  EXPECT_EQ(only(500, 700), "new name");
  EXPECT_EQ(only(30, 40), "old name");
}

TEST_F(HistoryView, what_is_wrong_is_said) {
  open();
  write(0, 60);
  EXPECT_THAT(refusal({{"metric", "p98"}}), HasSubstr("no metric \"p98\""));
  EXPECT_THAT(refusal({{"metrik", "p99"}}), HasSubstr("did you mean 'metric'?"));
  EXPECT_THAT(refusal({{"target", "other"}}), HasSubstr("of engine"));
  EXPECT_THAT(refusal({{"type", "delete"}}), HasSubstr("it has: read, write"));
  EXPECT_THAT(refusal({{"type", "read"}, {"metric", "health"}}), HasSubstr("whole target"));
  EXPECT_THAT(refusal({{"since", "soon"}}), HasSubstr("since: 'soon' is no time"));
  EXPECT_THAT(refusal({{"from", "1h"}, {"to", "2h"}}), HasSubstr("before it begins"));
  EXPECT_THAT(refusal({{"from", "1h"}, {"since", "2h"}}), HasSubstr("not both"));
  EXPECT_THAT(refusal({{"since", "30d"}, {"step", "1s"}}),
              HasSubstr("has 2592000 steps, and an answer at most 11000: give a step of 4m or more"));
  // 86,400 s in 10,998 steps are 7.86 s each; with seven metrics there is room for 7,857 rows, and 7,855 are 11.0 s
  // each.
  EXPECT_THAT(refusal({{"since", "1d"}, {"step", "5s"}}), HasSubstr("give a step of 8s or more"));
  EXPECT_THAT(refusal({{"since", "1d"}, {"step", "10s"}, {"metric", "p50,p95,p99,p999,max,qps,avg"}}),
              HasSubstr("has 8640 steps, and an answer at most 7857: give a step of 11s or more"));
}

TEST_F(HistoryView, no_more_is_read_than_the_metrics_need) {
  open();
  write(0, 60);
  PointParts parts;
  HistorySource source = source_of(*store_);
  source.history = nullptr;  // never all points at once
  source.for_each_step = [&](const HistoryQuery& query, const VisitStep& visit) {
    parts = query.parts;
    return store_->for_each_step(query, visit);
  };
  const auto ask_for = [&](const char* metrics) {
    const auto request =
        parse_history_request({{"since", "1m"}, {"step", "1m"}, {"metric", metrics}}, source, kStartMs + kMinuteMs, 60);
    EXPECT_TRUE(request) << request.error().message;
    const auto table = read_history(*request, source);
    EXPECT_TRUE(table) << table.error().message;
    EXPECT_EQ(table->rows.size(), 1U);
    EXPECT_FALSE(parts.all_gauges);
    return table->rows[0].values;
  };
  EXPECT_EQ(ask_for("queries,losses")[0], 66);
  EXPECT_FALSE(parts.histograms);
  for (const char* metric : {"p50", "p95", "p99", "p999", "max"}) {
    EXPECT_TRUE(ask_for(metric)[0]) << metric;
    EXPECT_TRUE(parts.histograms) << metric;
  }
  // Of 0 .. 59 modulo 7: eight times 21, then 0 + 1 + 2 + 3.
  const auto values = ask_for("target_metrics.cpu_usage,peak_concurrent,losses,error_rate");
  EXPECT_DOUBLE_EQ(values[0].value(), 174 / 60.0);
  EXPECT_EQ(values[1], 4);
  EXPECT_EQ(values[2], 120);
  EXPECT_DOUBLE_EQ(values[3].value(), 6 / 66.0);
  EXPECT_FALSE(parts.histograms);
}

TEST_F(HistoryView, trends_tell_growth_from_noise) {
  open();
  // In the second half there are three queries a second more; the CPU cycles through the same values in both.
  for (std::int64_t index = 0; index < 600; ++index) {
    Point point = make_second(index);
    if (index >= 300) {
      for (int i = 0; i < 3; ++i) add_query(point.types["read"], kFastNs);
      for (int i = 0; i < 3; ++i) add_query(point.total, kFastNs);
    }
    store_->add("engine", std::move(point));
    if (index % 100 == 99) flush_at(index);
  }
  flush_at(603);
  const auto trends = read_trends("engine", source_of(*store_), 300'000, kStartMs + 600'000);
  ASSERT_TRUE(trends) << trends.error().message;
  for (const MetricTrend& trend : *trends) {
    if (trend.metric->short_name == "qps") {
      EXPECT_NEAR(*trend.before.change, 3 / 1.1, 1e-9);
      EXPECT_TRUE(trend.before.significant);
      EXPECT_FALSE(trend.yesterday.before);
    }
    if (trend.metric->name == "target_metrics.cpu_usage") {
      EXPECT_FALSE(trend.before.significant);
    }
  }
}

TEST_F(HistoryView, trends_say_what_was_compared_and_where_there_is_no_verdict) {
  open();
  write(0, 600);
  const std::int64_t day_ms = 24 * kHourMs;
  write(86'400, 87'000);
  const auto trends_of = [&](std::int64_t window_ms) {
    const auto trends = read_trends("engine", source_of(*store_), window_ms, kStartMs + day_ms + 600'000);
    EXPECT_TRUE(trends) << trends.error().message;
    const auto json = to_json(*trends, window_ms);
    EXPECT_EQ(json[3]["metric"], "query_metrics.queries_per_second");
    return json[3];
  };
  // 30 blocks of 3 s; of yesterday only the minutes are left, which are two, and cover more than the window.
  auto trend = trends_of(100'000);
  EXPECT_EQ(trend["window_seconds"], 90);
  EXPECT_EQ(trend["significant"], false);
  EXPECT_FALSE(trend["yesterday"].is_null());
  EXPECT_TRUE(trend["significant_since_yesterday"].is_null());
  // Nine minutes of yesterday are enough, and nothing has changed; the stretch before has one minute.
  trend = trends_of(540'000);
  EXPECT_EQ(trend["window_seconds"], 540);
  EXPECT_EQ(trend["significant_since_yesterday"], false);
  EXPECT_TRUE(trend["significant"].is_null());
  const auto refused = read_trends("engine", source_of(*store_), 29'999, kStartMs);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EINVAL);
  EXPECT_THAT(refused.error().message, HasSubstr("too short for a trend: give 30s or more"));
}

// The mission's own test 4.
TEST_F(HistoryView, dashboard_data_generation) {
  open();
  Snapshot snapshot;
  snapshot.target = "engine";
  snapshot.interval_seconds = 1;
  snapshot.health_score = 80;
  for (std::int64_t index = 0; index < 60; ++index) {
    snapshot.timestamp_ms = kStartMs + (index + 1) * 1'000;
    TargetFigures figures;
    figures.types[{"read", false}] = make_second(index).types["read"];
    store_->add("engine", make_point(snapshot, figures));
  }
  flush_at(62);
  AlertStatus alerts;
  for (const char* target : {"engine", "another"}) {
    AlertLine line;
    line.notice.name = "High Response Time";
    line.notice.target = target;
    alerts.alerts.push_back(line);
  }
  const auto dashboard =
      dashboard_json({"engine", &snapshot, &alerts, kMinuteMs, kStartMs + kMinuteMs}, source_of(*store_));
  ASSERT_TRUE(dashboard) << dashboard.error().message;
  ASSERT_EQ((*dashboard)["active_alerts"].size(), 1U) << "those of the target alone";
  EXPECT_EQ((*dashboard)["active_alerts"][0]["state"], "firing");
  EXPECT_GT((*dashboard)["current"]["health_score"], 0);
  EXPECT_EQ((*dashboard)["health_trend"]["score"], 80);
  EXPECT_EQ((*dashboard)["health_trend"]["direction"], "steady");
  std::set<std::string> titles;
  for (const auto& chart : (*dashboard)["charts"]) {
    titles.insert(chart["title"]);
    for (const auto& dataset : chart["datasets"]) EXPECT_EQ(dataset["data"].size(), 60U) << chart["title"];
  }
  for (const char* title : {"Response Time", "Throughput", "Resource Usage", "Cache Performance"}) {
    EXPECT_TRUE(titles.contains(title)) << title;
  }
  const auto& average = (*dashboard)["charts"][0]["datasets"][0]["data"][59];
  EXPECT_EQ(average[0], kStartMs + 59'000);
  EXPECT_NEAR(average[1].get<double>(), static_cast<double>(kFastNs) / 1e9, 1e-12);
}

}  // namespace
}  // namespace outrider
