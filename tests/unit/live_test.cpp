// What an open page is told each interval: bounded, whatever the target's types are called and however many there are.
#include "userspace/service/live.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "userspace/service/api.h"
#include "userspace/web/assets.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

Report report_of(std::size_t types) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->target = "engine";
  for (std::size_t i = 0; i < types; ++i) {
    TypeMetrics type;
    type.interval_count = i;
    type.avg_response_time_seconds = 1;
    snapshot->query_metrics.query_type_breakdown["type " + std::to_string(i)] = type;
  }
  Report report;
  report.time_ms = 1'700'000'000'000;
  report.snapshots.push_back(snapshot);
  report.agent.emplace();
  TargetState state;
  state.name = "engine";
  state.availability.state = "up";
  report.agent->targets.push_back(state);
  return report;
}

TEST(Live, the_types_that_took_most_time_are_told) {
  const Json event = live_json(report_of(2'000), "engine");
  const Json& types = event["current"]["query_metrics"]["query_type_breakdown"];
  EXPECT_EQ(types.size(), kLiveTypes);
  EXPECT_TRUE(types.contains("type 1999"));
  EXPECT_TRUE(types.contains("type 1950"));
  EXPECT_FALSE(types.contains("type 1949"));
  EXPECT_EQ(event["types_left_out"], 1'950);
  EXPECT_LT(event.dump().size(), 64U * 1024);
  EXPECT_EQ(live_json(report_of(3), "engine")["types_left_out"], 0);
}

TEST(Live, a_target_that_is_no_more_is_told_as_such) {
  const Json event = live_json(report_of(1), "another");
  EXPECT_TRUE(event["state"].is_null());
  EXPECT_TRUE(event["current"].is_null());
  EXPECT_EQ(event["targets"][0]["name"], "engine");
}

TEST(Live, alerts_are_counted_and_only_the_first_are_told) {
  Report report = report_of(1);
  auto status = std::make_shared<AlertStatus>();
  for (int i = 0; i < 100; ++i) {
    AlertLine line;
    line.notice.target = i % 2 == 0 ? "engine" : "another";
    line.pending = i >= 80;
    status->alerts.push_back(line);
  }
  report.agent->alerts = status;
  const Json event = live_json(report, "engine");
  EXPECT_EQ(event["alerts"]["firing"], 40);
  EXPECT_EQ(event["alerts"]["pending"], 10);
  EXPECT_EQ(event["alerts"]["active"].size(), kLiveAlerts);
}

TEST(Live, of_other_targets_the_alerts_that_somebody_is_told_of_are_counted) {
  Report report = report_of(1);
  auto status = std::make_shared<AlertStatus>();
  const auto add = [&](const char* target, bool pending, bool held) {
    AlertLine& line = status->alerts.emplace_back();
    line.notice.target = target;
    line.pending = pending;
    line.held = held;
  };
  add("engine", false, false);
  add("another", false, false);
  add("a third", false, false);
  add("another", true, false);
  add("another", false, true);
  report.agent->alerts = status;
  const Json alerts = live_json(report, "engine")["alerts"];
  EXPECT_EQ(alerts["firing"], 1);
  EXPECT_EQ(alerts["elsewhere"], 2);
  EXPECT_EQ(live_json(report, "another")["alerts"]["elsewhere"], 2);
  EXPECT_EQ(live_json(report, "gone")["alerts"]["elsewhere"], 3);
  EXPECT_EQ(live_json(report, "")["alerts"]["elsewhere"], 0) << "those of all are told";
}

TEST(Live, says_why_history_is_not_written) {
  Report report = report_of(1);
  EXPECT_EQ(live_json(report, "engine")["agent"]["history"], false);
  EXPECT_EQ(live_json(report, "engine")["agent"]["history_error"], nullptr);
  report.agent->store.emplace();
  EXPECT_EQ(live_json(report, "engine")["agent"]["history"], true);
  EXPECT_EQ(live_json(report, "engine")["agent"]["history_error"], nullptr);
  report.agent->store->error = "disk is full";
  EXPECT_EQ(live_json(report, "engine")["agent"]["history_error"], "disk is full");
}

class LiveApi : public testing::Test {
 protected:
  HttpResponse get(const std::string& path, const std::string& accept = "*/*",
                   const std::map<std::string, std::string>& query = {}) {
    return api_.handle({"GET", path, query, accept, "127.0.0.1:1"});
  }

  AlertBoard board_;
  Flames flames_;
  Queries queries_;
  Api api_{nullptr, board_, flames_, queries_};
};

TEST_F(LiveApi, events_for_those_who_ask_for_events) {
  EXPECT_EQ(get("/api/v1/live").status, 503);
  EXPECT_EQ(api_.event_for(live_stream("engine")), "");
  api_.publish(std::make_shared<Report>(report_of(1)));
  EXPECT_EQ(get("/api/v1/live", "text/event-stream").stream, live_stream("engine")) << "the first target by itself";
  EXPECT_EQ(get("/api/v1/live", "text/event-stream", {{"target", "x"}}).stream, live_stream("x"));
  const HttpResponse plain = get("/api/v1/live", "application/json");
  EXPECT_EQ(plain.stream, "");
  EXPECT_EQ(Json::parse(*plain.body), Json::parse(api_.event_for(live_stream("engine"))));
  EXPECT_EQ(api_.event_for("another stream"), "");
}

TEST_F(LiveApi, without_real_time_pages_ask) {
  api_.publish(std::make_shared<Report>(report_of(1)));
  Config config;
  config.enable_real_time = false;
  config.dashboard_update_interval = std::chrono::seconds(2);
  config.collection_interval = std::chrono::seconds(30);
  api_.configure(config);
  EXPECT_EQ(get("/api/v1/live", "text/event-stream").status, 404);
  const Json page = Json::parse(*get("/api/v1/live").body)["page"];
  EXPECT_EQ(page["real_time"], false);
  EXPECT_EQ(page["update_seconds"], 2);
  EXPECT_EQ(page["window_seconds"], 3600);
  EXPECT_EQ(page["collection_seconds"], 30);
}

TEST_F(LiveApi, a_browser_gets_the_page_and_a_script_the_list) {
  EXPECT_THAT(*get("/").body, HasSubstr("/api/v1/snapshot"));
  EXPECT_EQ(*get("/api/v1/").body, *get("/").body);
  const HttpResponse page = get("/", "text/html,application/xhtml+xml,*/*;q=0.8");
  EXPECT_EQ(page.status, 200);
  if (find_web_asset("/") == nullptr) {
    EXPECT_THAT(*page.body, HasSubstr("built without the dashboard"));
    EXPECT_THAT(*page.body, HasSubstr("/api/v1/snapshot"));
    return;
  }
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(page.body->substr(0, 2), "\x1f\x8b") << "gzip, RFC 1952, section 2.3.1";
  for (const WebAsset& asset : web_assets()) {
    const HttpResponse answer = get(std::string(asset.path), "text/html");
    std::map<std::string, std::string> headers(answer.headers.begin(), answer.headers.end());
    EXPECT_EQ(headers["Content-Encoding"], "gzip");
    EXPECT_THAT(headers["Content-Security-Policy"], HasSubstr("default-src 'none'; script-src 'self'"));
    EXPECT_EQ(headers["Cache-Control"] == "no-cache", asset.path == "/") << asset.path;
  }
  EXPECT_EQ(get("/assets/nothing.js").status, 404);
}

}  // namespace
}  // namespace outrider
