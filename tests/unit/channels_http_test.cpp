// Webhooks and Alertmanager against a scripted server on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tests/unit/influx_server.h"
#include "tests/unit/notices.h"
#include "tests/unit/tls_server.h"
#include "userspace/notify/channels.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Fate = Delivery::Fate;
using nlohmann::json;

using HttpPeer = InfluxServer;

const Channel::GiveUp kNever = [] { return false; };

std::string url_of(const HttpPeer& peer, const std::string& path) {
  return "http://127.0.0.1:" + std::to_string(peer.port()) + path;
}

json body_of(const std::string& request) { return json::parse(request.substr(request.find("\r\n\r\n") + 4)); }

std::unique_ptr<Channel> made(const ChannelOptions& options) {
  auto channel = make_channel(options);
  if (channel) return *std::move(channel);
  ADD_FAILURE() << channel.error().message;
  return nullptr;
}

std::unique_ptr<Channel> webhook(const std::string& url, const std::string& token = "",
                                 std::chrono::milliseconds timeout = 10s) {
  WebhookOptions options;
  options.post = {url, token, "", timeout};
  return made(options);
}

TEST(Webhook, posts_the_group_with_its_token) {
  HttpPeer peer;
  const auto sent = webhook(url_of(peer, "/hook?a=b"), "s3cret")->deliver({notice("a"), resolved("a")}, kNever);
  EXPECT_EQ(sent.fate, Fate::kDelivered) << sent.reason;
  const auto request = peer.requests().at(0);
  EXPECT_THAT(request, AllOf(StartsWith("POST /hook?a=b HTTP/1.1\r\n"), HasSubstr("Authorization: Bearer s3cret\r\n"),
                             HasSubstr("Content-Type: application/json\r\n")));
  const auto body = body_of(request);
  EXPECT_EQ(body["version"], 1);
  EXPECT_EQ(body["alerts"][0]["event"], "firing");
  EXPECT_EQ(body["alerts"][1]["event"], "resolved");
}

struct Answer {
  const char* status;
  Fate fate;
};

TEST(Webhook, what_is_tried_again_and_what_is_lost) {
  const Answer answers[] = {{"200 OK", Fate::kDelivered},
                            {"204 No Content", Fate::kDelivered},
                            {"301 Moved", Fate::kRetry},
                            {"400 Bad Request", Fate::kRefused},
                            {"401 Unauthorized", Fate::kRetry},
                            {"403 Forbidden", Fate::kRetry},
                            {"404 Not Found", Fate::kRefused},
                            {"408 Request Timeout", Fate::kRetry},
                            {"413 Too Large", Fate::kRefused},
                            {"422 Unprocessable", Fate::kRefused},
                            {"429 Too Many Requests", Fate::kRetry},
                            {"500 Internal Server Error", Fate::kRetry},
                            {"503 Unavailable", Fate::kRetry}};
  for (const auto& [status, fate] : answers) {
    HttpPeer peer({refusal(status, "because\nof that")});
    const auto sent = webhook(url_of(peer, "/"))->deliver({notice("a")}, kNever);
    EXPECT_EQ(sent.fate, fate) << status;
    const std::string code(status, 3);
    const std::string reason = "HTTP " + code + ": because of that; ";
    EXPECT_EQ(sent.reason.substr(0, reason.size()), fate == Fate::kDelivered ? "" : reason);
  }
}

TEST(Webhook, an_answer_that_is_too_long_counts_by_its_status) {
  const Answer answers[] = {
      {"200 OK", Fate::kDelivered}, {"404 Not Found", Fate::kRefused}, {"503 Unavailable", Fate::kRetry}};
  for (const auto& [status, fate] : answers) {
    HttpPeer peer({refusal(status, std::string(65'537, 'x'))});
    const auto sent = webhook(url_of(peer, "/"))->deliver({notice("a")}, kNever);
    EXPECT_EQ(sent.fate, fate) << status << ": " << sent.reason;
    EXPECT_EQ(peer.requests().size(), 1U);
  }
}

TEST(Webhook, a_redirect_is_never_followed) {
  HttpPeer elsewhere;
  for (const std::string& target : {std::string("file:///etc/passwd"), url_of(elsewhere, "/")}) {
    HttpPeer peer({refusal("307 Temporary Redirect\r\nLocation: " + target)});
    const auto sent = webhook(url_of(peer, "/"), "s3cret")->deliver({notice("a")}, kNever);
    EXPECT_EQ(sent.fate, Fate::kRetry);
    EXPECT_THAT(sent.reason, HasSubstr("redirects are not followed"));
    EXPECT_EQ(peer.requests().size(), 1U);
  }
  EXPECT_EQ(elsewhere.requests().size(), 0U);
}

TEST(Webhook, one_that_hangs_is_given_up_in_time) {
  HttpPeer peer({"", ""});
  const auto late = webhook(url_of(peer, "/secret"), "", 200ms)->deliver({notice("a")}, kNever);
  EXPECT_EQ(late.fate, Fate::kRetry);
  EXPECT_THAT(late.reason, AllOf(HasSubstr("no answer in time"), Not(HasSubstr("secret"))));
  const auto ended = webhook(url_of(peer, "/"), "", 1h)->deliver({notice("a")}, [] { return true; });
  EXPECT_EQ(ended.fate, Fate::kRetry);
}

TEST(Webhook, a_certificate_that_nobody_vouches_for_gets_no_token) {
  const SelfSignedServer server;
  const auto sent = webhook(server.url(), "s3cret")->deliver({notice("a")}, kNever);
  EXPECT_EQ(sent.fate, Fate::kRetry);
  EXPECT_THAT(sent.reason, HasSubstr("no trusted TLS connection"));
  EXPECT_EQ(server.believed(), 0);
}

TEST(Webhook, what_cannot_be_a_url_or_a_token) {
  for (const auto& [url, token] : {std::pair("ftp://x", ""), std::pair("http://x", "a\r\nX: b")}) {
    WebhookOptions options;
    options.post.url = url;
    options.post.token = token;
    const auto channel = make_channel(options);
    ASSERT_FALSE(channel);
    EXPECT_THAT(channel.error().message, Not(HasSubstr("X: b")));
  }
}

constexpr std::int64_t kNowMs = 1'700'000'060'000;  // 22:14:20

std::unique_ptr<Channel> alertmanager(const HttpPeer& peer, std::int64_t now_ms = kNowMs) {
  AlertmanagerOptions options;
  options.post.url = url_of(peer, "/am/");
  options.now_ms = [now_ms] { return now_ms; };
  return made(options);
}

TEST(Alertmanager, an_alert_goes_on_until_further_notice) {
  HttpPeer peer;
  auto one = notice("id-1");
  one.type = "scan";
  one.annotation = "look at the disk";
  one.expected = 0.05;
  one.labels = {{"team", "storage"}, {"bad name!", "x"}, {"7th", "y"}, {"target", "not this one"}, {"empty", ""}};
  ASSERT_EQ(alertmanager(peer)->deliver({one}, kNever).reason, "");
  const auto request = peer.requests().at(0);
  EXPECT_THAT(request, StartsWith("POST /am/api/v2/alerts HTTP/1.1\r\n"));
  const json expected = {{{"labels",
                           {{"alertname", "High Response Time"},
                            {"severity", "warning"},
                            {"target", "engine"},
                            {"query_type", "scan"},
                            {"metric", "query_metrics.avg_response_time_seconds"},
                            {"rule", "response_time_high"},
                            {"team", "storage"},
                            {"bad_name_", "x"},
                            {"_7th", "y"}}},
                          {"annotations",
                           {{"summary", "the mean response time is 150 ms"},
                            {"description", "look at the disk"},
                            {"value", "0.15"},
                            {"threshold", "0.1"},
                            {"expected", "0.05"},
                            {"effect_percent", "200"},
                            {"id", "id-1"}}},
                          {"startsAt", "2023-11-14T22:13:20.000Z"},
                          {"endsAt", "2023-11-14T22:18:20.000Z"}}};
  EXPECT_EQ(body_of(request), expected);
}

TEST(Alertmanager, an_alert_that_is_over_ended_when_it_did) {
  HttpPeer peer;
  auto end = resolved("a");
  end.rule_id = "";
  end.arm = "shift";
  ASSERT_EQ(alertmanager(peer)->deliver({end}, kNever).reason, "");
  const auto alert = body_of(peer.requests().at(0))[0];
  EXPECT_EQ(alert["endsAt"], "2023-11-14T22:13:50.000Z");
  EXPECT_EQ(alert["labels"]["arm"], "shift");
  EXPECT_FALSE(alert["labels"].contains("rule"));
}

TEST(Alertmanager, begin_and_end_of_one_incident_come_one_after_the_other) {
  HttpPeer peer;
  auto other = notice("b");
  other.target = "other";
  ASSERT_EQ(alertmanager(peer)->deliver({notice("a"), other, resolved("a")}, kNever).reason, "");
  ASSERT_EQ(peer.requests().size(), 2U);
  const auto first = body_of(peer.requests()[0]);
  const auto second = body_of(peer.requests()[1]);
  ASSERT_EQ(first.size(), 2U);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(first[0]["labels"], second[0]["labels"]);
  EXPECT_EQ(second[0]["endsAt"], "2023-11-14T22:13:50.000Z");
}

TEST(Alertmanager, what_it_does_not_take_is_not_called_accepted) {
  HttpPeer peer({kAccepted, refusal("500 Internal Server Error")});
  EXPECT_EQ(alertmanager(peer)->deliver({notice("a"), resolved("a")}, kNever).fate, Fate::kRetry);
  HttpPeer strict({refusal("400 Bad Request", "invalid label set")});
  const auto refused = alertmanager(strict)->deliver({notice("a")}, kNever);
  EXPECT_EQ(refused.fate, Fate::kRefused);
  EXPECT_THAT(refused.reason, HasSubstr("invalid label set"));
}

TEST(Alertmanager, no_alert_ends_before_it_began_though_the_clock_was_set_back) {
  HttpPeer peer;
  constexpr std::int64_t kHour = 3'600'000;
  ASSERT_EQ(alertmanager(peer, kNowMs - kHour)->deliver({notice("a")}, kNever).reason, "");
  auto end = resolved("a");
  end.at_ms = end.since_ms - kHour;
  ASSERT_EQ(alertmanager(peer, kNowMs - kHour)->deliver({end}, kNever).reason, "");
  const auto first = body_of(peer.requests().at(0))[0];
  EXPECT_EQ(first["startsAt"], "2023-11-14T21:14:20.000Z");
  EXPECT_EQ(first["endsAt"], "2023-11-14T21:18:20.000Z");
  const auto second = body_of(peer.requests().at(1))[0];
  EXPECT_EQ(second["startsAt"], second["endsAt"]);
}

TEST(Alertmanager, the_url_has_no_query) {
  AlertmanagerOptions options;
  options.post.url = "http://127.0.0.1:9093/?a=b";
  EXPECT_FALSE(make_channel(options));
}

}  // namespace
}  // namespace outrider
