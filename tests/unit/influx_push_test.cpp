// The push to InfluxDB against a scripted server on loopback.
#include "userspace/agent/influx_push.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/unit/influx_server.h"
#include "tests/unit/rounds.h"
#include "userspace/base/retry_pause.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string text_of(std::int64_t number) { return influx_lines(interval(number)); }

std::size_t count_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// The last `count` lines.
std::string tail(const std::string& text, std::size_t count) {
  std::size_t at = text.size() - 1;
  for (std::size_t i = 0; i < count; ++i) at = text.rfind('\n', at - 1);
  return text.substr(at + 1);
}

InfluxPushOptions options_for(uint16_t port) {
  InfluxPushOptions options;
  options.url = "http://127.0.0.1:" + std::to_string(port);
  options.retry_first = options.retry_most = 1h;
  return options;
}

std::unique_ptr<InfluxPushSink> make(const InfluxPushOptions& options) {
  auto sink = InfluxPushSink::make(options);
  EXPECT_TRUE(sink) << sink.error().message;
  return std::move(*sink);
}

TEST(InfluxPush, Version1RequestAndItsEscaping) {
  InfluxServer server;
  auto options = options_for(server.port());
  options.url += "/proxy/";
  options.database = "my db&precision=s";
  options.lines.tags = {{"host", "a"}};
  const auto sink = make(options);
  const auto status = sink->write(report_of(interval(1)));
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(server.requests().size(), 1U);
  const auto request = server.requests()[0];
  EXPECT_THAT(request, StartsWith("POST /proxy/write?db=my%20db%26precision%3Ds&precision=ns HTTP/1.1\r\n"));
  EXPECT_THAT(request, Not(HasSubstr("Authorization")));
  EXPECT_EQ(server.bodies(), influx_lines(interval(1), options.lines));
  EXPECT_EQ(sink->points()->sent, count_of(server.bodies()));
  EXPECT_EQ(sink->points()->queued, 0U);
}

TEST(InfluxPush, Version2RequestWithItsToken) {
  InfluxServer server;
  auto options = options_for(server.port());
  options.version = 2;
  options.org = "my org";
  options.bucket = "b/1";
  options.token = "s3cret==";
  ASSERT_TRUE(make(options)->write(report_of(interval(1))));
  const auto request = server.requests().at(0);
  EXPECT_THAT(request, StartsWith("POST /api/v2/write?org=my%20org&bucket=b%2F1&precision=ns HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Token s3cret==\r\n"));
}

TEST(InfluxPush, WhatAServerCannotTakeNowIsSentAgain) {
  for (const auto* status : {"503 Service Unavailable", "429 Too Many Requests", "500 Oops"}) {
    InfluxServer server({refusal(status, R"({"error":"timeout"})")});
    auto options = options_for(server.port());
    options.retry_first = options.retry_most = 10ms;
    const auto sink = make(options);
    const auto first = sink->write(report_of(interval(1)));
    ASSERT_FALSE(first);
    EXPECT_THAT(first.error().message, HasSubstr(std::string(status, 3) + ": timeout"));
    EXPECT_EQ(sink->points()->queued, count_of(text_of(1)));
    bool sent = false;
    for (int i = 0; i < 1000 && !sent; ++i) {
      std::this_thread::sleep_for(5ms);
      sent = static_cast<bool>(sink->write({}));
    }
    EXPECT_TRUE(sent);
    EXPECT_EQ(server.bodies(), text_of(1) + text_of(1));
    EXPECT_EQ(sink->points()->sent, count_of(text_of(1)));
    EXPECT_EQ(sink->points()->rejected + sink->points()->dropped + sink->points()->queued, 0U);
  }
}

TEST(InfluxPush, NothingIsSentWhileAPauseRuns) {
  InfluxServer server({refusal("503 Service Unavailable")});
  const auto sink = make(options_for(server.port()));
  const auto first = sink->write(report_of(interval(1)));
  const auto second = sink->write(report_of(interval(2)));
  ASSERT_FALSE(first);
  ASSERT_FALSE(second);
  EXPECT_EQ(first.error().message, second.error().message);
  EXPECT_EQ(server.requests().size(), 1U);
  EXPECT_EQ(sink->points()->queued, count_of(text_of(1) + text_of(2)));
}

TEST(InfluxPush, ARefusedBatchIsDroppedWithItsReason) {
  InfluxServer server({refusal("422 Unprocessable Entity", "{\"error\":\"outside the \\\"retention\\\"\"}\n"),
                       refusal("400 Bad Request", R"({"code":"invalid","message":"bad\nline"})"),
                       refusal("413 Payload Too Large", "<html>\x01\xff")});
  const auto sink = make(options_for(server.port()));
  for (const auto* reason :
       {"HTTP 422: outside the \"retention\"", "HTTP 400: bad line", "HTTP 413: <html> \xEF\xBF\xBD"}) {
    const auto status = sink->write(report_of(interval(1)));
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, testing::EndsWith(reason));
    EXPECT_FALSE(sink->kept_all());
  }
  EXPECT_TRUE(sink->write(report_of(interval(2))));
  EXPECT_EQ(sink->points()->rejected, 3 * count_of(text_of(1)));
  EXPECT_EQ(sink->points()->sent, count_of(text_of(2)));
  EXPECT_EQ(server.requests().size(), 4U);
}

// The points are good: somebody has to mend the token, make the database or free the way to it.
TEST(InfluxPush, WhoIsNotLetInKeepsThePoints) {
  for (const auto* status : {"401 Unauthorized", "403 Forbidden", "404 Not Found", "302 Found", "405 Not Allowed"}) {
    InfluxServer server({refusal(status, R"({"error":"not you"})"), refusal(status)});
    const auto sink = make(options_for(server.port()));
    const auto first = sink->write(report_of(interval(1)));
    ASSERT_FALSE(first);
    EXPECT_THAT(first.error().message, testing::EndsWith("HTTP " + std::string(status, 3) + ": not you"));
    EXPECT_TRUE(sink->kept_all());
    EXPECT_FALSE(sink->write(report_of(interval(2))));
    EXPECT_EQ(server.requests().size(), 1U);  // a pause is running
    EXPECT_EQ(sink->points()->queued, count_of(text_of(1) + text_of(2)));
    EXPECT_EQ(sink->points()->rejected + sink->points()->dropped, 0U);
  }
}

TEST(InfluxPush, NewSettingsKeepThePointsAndAreTriedAtOnce) {
  InfluxServer server({refusal("401 Unauthorized", R"({"error":"no such token"})")});
  auto options = options_for(server.port());
  options.token = "old";
  const auto sink = make(options);
  EXPECT_FALSE(sink->write(report_of(interval(1))));
  options.token = "new";
  options.lines.target_tags["engine"] = {{"stage", "test"}};
  sink->become(*make(options));
  const auto status = sink->write(report_of(interval(2)));
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_THAT(server.requests().at(1), HasSubstr("\r\nAuthorization: Token new\r\n"));
  EXPECT_EQ(server.bodies(), text_of(1) + text_of(1) + influx_lines(interval(2), options.lines));
  EXPECT_EQ(sink->points()->dropped + sink->points()->rejected + sink->points()->queued, 0U);
}

TEST(InfluxPush, APartialWriteCountsWhatWasLost) {
  const auto partial = [](const std::string& reason) {
    return refusal("400 Bad Request", R"({"error":"partial write: )" + reason + "\"}");
  };
  InfluxServer server({partial("field type conflict dropped=2"), partial("unable to parse 'x' dropped=0"),
                       partial("points beyond retention policy dropped=99999")});
  const auto sink = make(options_for(server.port()));
  const auto points = count_of(text_of(1));
  EXPECT_FALSE(sink->write(report_of(interval(1))));
  EXPECT_EQ(sink->points()->rejected, 2U);
  EXPECT_EQ(sink->points()->sent, points - 2);
  EXPECT_FALSE(sink->write(report_of(interval(1))));
  EXPECT_EQ(sink->points()->rejected, 2 + points);
  EXPECT_FALSE(sink->write(report_of(interval(1))));
  EXPECT_EQ(sink->points()->rejected, 2 + 2 * points);
}

TEST(InfluxPush, AnAnswerThatIsTooLongCountsByItsStatus) {
  InfluxServer server({refusal("200 OK", std::string(65'537, 'x'))});
  const auto sink = make(options_for(server.port()));
  EXPECT_TRUE(sink->write(report_of(interval(1))));
  EXPECT_EQ(sink->points()->queued, 0U);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(InfluxPush, Batches) {
  InfluxServer server({kAccepted, refusal("400 Bad Request", "no")});
  auto options = options_for(server.port());
  options.batch_points = 3;
  const auto sink = make(options);
  const auto points = count_of(text_of(1));
  ASSERT_GT(points, 3U);
  ASSERT_LE(points, 6U);  // two batches
  EXPECT_FALSE(sink->write(report_of(interval(1))));
  EXPECT_EQ(server.requests().size(), 2U);
  EXPECT_EQ(server.bodies(), text_of(1));
  EXPECT_EQ(sink->points()->sent, 3U);
  EXPECT_EQ(sink->points()->rejected, points - 3);
}

TEST(InfluxPush, ABoundedQueueWhileTheServerIsAway) {
  uint16_t port = InfluxServer().port();
  auto options = options_for(port);
  options.queue_points = 5;
  const auto sink = make(options);
  const auto all = text_of(1) + text_of(2) + text_of(3);
  ASSERT_LE(count_of(text_of(1)), 5U);  // room for one interval, and for no two
  EXPECT_FALSE(sink->write(report_of(interval(1))));
  EXPECT_TRUE(sink->kept_all());
  for (const auto number : {2, 3}) {
    const auto full = sink->write(report_of(interval(number)));
    ASSERT_FALSE(full);
    EXPECT_THAT(full.error().message, HasSubstr("the queue is full (queue = 5; raise it"));
    EXPECT_FALSE(sink->kept_all());
  }
  EXPECT_EQ(sink->points()->queued, 5U);
  EXPECT_EQ(sink->points()->dropped, count_of(all) - 5);
  InfluxServer server({}, port);
  const auto status = sink->finish();  // whatever pause is running
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(server.bodies(), tail(all, 5));
  EXPECT_EQ(sink->points()->sent, 5U);
}

TEST(InfluxPush, TheQueueIsBoundedInBytesToo) {
  auto options = options_for(InfluxServer().port());
  const auto text = text_of(1);
  options.queue_bytes = tail(text, 2).size();
  const auto sink = make(options);
  const auto full = sink->write(report_of(interval(1)));
  ASSERT_FALSE(full);
  EXPECT_THAT(full.error().message,
              HasSubstr("the queue is full (queue_size = \"" + std::to_string(options.queue_bytes) + "B\"; raise it"));
  EXPECT_EQ(sink->points()->queued, 2U);
  EXPECT_EQ(sink->points()->dropped, count_of(text) - 2);
}

TEST(InfluxPush, WhatIsLeftAtTheEndIsSaidAndCounted) {
  const auto sink = make(options_for(InfluxServer().port()));
  EXPECT_FALSE(sink->write(report_of(interval(1))));
  const auto status = sink->finish();
  ASSERT_FALSE(status);
  const auto points = count_of(text_of(1));
  EXPECT_THAT(status.error().message,
              HasSubstr(std::to_string(points) + " points were not sent before the end and are lost"));
  EXPECT_EQ(sink->points()->dropped, points);
  EXPECT_EQ(sink->points()->queued, 0U);
}

TEST(InfluxPush, HurryEndsARequestThatHangs) {
  InfluxServer server({""});
  auto options = options_for(server.port());
  options.request_timeout = 100s;
  const auto sink = make(options);
  sink->hurry(Sink::Clock::now() + 100ms);
  EXPECT_FALSE(sink->write(report_of(interval(1))));  // or the time limit of the test ends it
  EXPECT_EQ(sink->points()->queued, count_of(text_of(1)));
}

TEST(InfluxPush, SettingsThatCannotWork) {
  const auto good = options_for(8086);
  auto options = good;
  options.url = "127.0.0.1:8086";
  EXPECT_FALSE(InfluxPushSink::make(options));
  options.url = good.url + "/?db=x";
  EXPECT_FALSE(InfluxPushSink::make(options));
  options = good;
  options.database.clear();
  EXPECT_FALSE(InfluxPushSink::make(options));
  options = good;
  options.version = 2;  // no org
  EXPECT_FALSE(InfluxPushSink::make(options));
  options = good;
  options.version = 3;
  EXPECT_FALSE(InfluxPushSink::make(options));
  options = good;
  options.token = "s3cret\r\nX: y";
  const auto injected = InfluxPushSink::make(options);
  ASSERT_FALSE(injected);
  EXPECT_THAT(injected.error().message, Not(HasSubstr("s3cret")));
}

TEST(InfluxPush, PausesDoubleWithinTheirBounds) {
  EXPECT_EQ(retry_pause(1, 0.5, 1s, 60s), 1s);
  EXPECT_EQ(retry_pause(1, 0.0, 1s, 60s), 1s);  // 750 ms, but never below the first
  EXPECT_EQ(retry_pause(2, 0.5, 1s, 60s), 2s);
  EXPECT_EQ(retry_pause(3, 0.0, 1s, 60s), 3s);
  EXPECT_EQ(retry_pause(3, 1.0, 1s, 60s), 5s);
  EXPECT_EQ(retry_pause(7, 0.0, 1s, 60s), 45s);  // 64 s are 60
  EXPECT_EQ(retry_pause(7, 1.0, 1s, 60s), 60s);
  EXPECT_EQ(retry_pause(4'000'000'000U, 0.5, 1s, 60s), 60s);
}

}  // namespace
}  // namespace outrider
