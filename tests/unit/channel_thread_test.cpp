// Alert channels in threads of their own: receivers that are away, hang, refuse or come back, and restarts.
#include "userspace/notify/channel_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "tests/unit/eventually.h"
#include "tests/unit/influx_server.h"
#include "tests/unit/notices.h"
#include "userspace/notify/channels.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What channels of a test were given, and what they answer. Shared, so that it outlives either side.
struct Record {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;  // false: deliver() hangs
  int begun = 0;
  std::vector<std::string> groups;
  std::function<Delivery(const std::string&)> answer = [](const std::string&) { return Delivery{}; };

  void set_open(bool value) {
    const std::lock_guard lock(mutex);
    open = value;
    changed.notify_all();
  }
  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, condition);
  }
  bool wait_for_groups(std::size_t count) {
    return wait([&] { return groups.size() >= count; });
  }
};

class TestChannel : public Channel {
 public:
  explicit TestChannel(std::shared_ptr<Record> record) : record_(std::move(record)) {}

  Delivery deliver(const std::vector<Notice>& group, const GiveUp& /*give_up*/) override {
    std::unique_lock lock(record_->mutex);
    ++record_->begun;
    record_->changed.notify_all();
    record_->changed.wait(lock, [&] { return record_->open; });
    record_->groups.push_back(said(group));
    record_->changed.notify_all();
    return record_->answer(said(group));
  }

 private:
  std::shared_ptr<Record> record_;
};

Delivery away() { return {Delivery::Fate::kRetry, "nobody at home"}; }

QueueOptions quick() {
  QueueOptions options;
  options.group_wait = 0ms;
  options.retry_first = 10ms;
  options.retry_most = 50ms;
  return options;
}

class ChannelThreadTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = spdlog::default_logger();
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
    sink->set_pattern("%l %v");
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  }
  void TearDown() override {
    record_->set_open(true);
    thread_.reset();
    spdlog::set_default_logger(before_);
  }

  void start(QueueOptions options = quick(), const std::string& kept = "") {
    start(std::make_unique<TestChannel>(record_), options, kept);
  }
  void start(std::unique_ptr<Channel> channel, QueueOptions options, const std::string& kept = "") {
    auto started = ChannelThread::start("pager", std::move(channel), options, kept);
    ASSERT_TRUE(started) << started.error().message;
    thread_ = std::move(*started);
  }
  void start_webhook(const std::string& url, std::chrono::milliseconds timeout, QueueOptions options = quick()) {
    WebhookOptions webhook;
    webhook.post.url = url;
    webhook.post.timeout = timeout;
    auto channel = make_channel(webhook);
    ASSERT_TRUE(channel) << channel.error().message;
    start(*std::move(channel), options);
  }
  void stop() { thread_->stop(ChannelThread::Clock::now() + 20s); }

  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> before_;
  std::shared_ptr<Record> record_ = std::make_shared<Record>();
  std::unique_ptr<ChannelThread> thread_;
};

TEST_F(ChannelThreadTest, hands_on_and_counts) {
  start();
  thread_->add(notice("a"));
  thread_->add(resolved("a"));
  ASSERT_TRUE(eventually([&] { return thread_->counters().sent == 2; }));
  const auto counters = thread_->counters();
  EXPECT_EQ(counters.name, "pager");
  EXPECT_EQ(counters.failed, 0U);
  EXPECT_EQ(counters.queued, 0U);
  EXPECT_FALSE(counters.failing);
  EXPECT_EQ(counters.last_error, "");
}

TEST_F(ChannelThreadTest, a_channel_that_hangs_delays_nobody) {
  record_->set_open(false);
  start();
  thread_->add(notice("a"));
  ASSERT_TRUE(record_->wait([&] { return record_->begun == 1; }));
  thread_->add(notice("b"));  // comes back
  EXPECT_EQ(thread_->counters().queued, 2U);
  const auto other_record = std::make_shared<Record>();
  auto other = ChannelThread::start("other", std::make_unique<TestChannel>(other_record), quick());
  ASSERT_TRUE(other);
  (*other)->add(notice("a"));
  EXPECT_TRUE(other_record->wait_for_groups(1));
  thread_->stop(ChannelThread::Clock::now() + 50ms);  // comes back, too
  EXPECT_THAT(log_.str(), HasSubstr("the alert channel pager did not end in time and is left behind"));
  EXPECT_THAT(thread_->serialise(), HasSubstr("\"id\":\"a\""));
  EXPECT_THAT(thread_->serialise(), HasSubstr("\"id\":\"b\""));
}

TEST_F(ChannelThreadTest, a_fault_is_said_once_and_so_is_its_end) {
  int failures = 3;
  record_->answer = [&](const std::string&) { return failures-- > 0 ? away() : Delivery{}; };
  start();
  thread_->add(notice("a"));
  ASSERT_TRUE(eventually([&] { return thread_->counters().sent == 1; }));
  EXPECT_THAT(record_->groups, ElementsAre("a:firing", "a:firing", "a:firing", "a:firing"));
  const auto counters = thread_->counters();
  EXPECT_EQ(counters.failed, 3U);
  EXPECT_EQ(counters.last_error, "nobody at home");
  EXPECT_FALSE(counters.failing);
  stop();
  EXPECT_EQ(log_.str(),
            "error the alert channel pager fails, its notices wait: nobody at home\n"
            "info the alert channel pager works again\n");
}

TEST_F(ChannelThreadTest, what_is_refused_is_lost_and_said) {
  record_->answer = [](const std::string& group) {
    return group.find("bad") == std::string::npos ? Delivery{} : Delivery{Delivery::Fate::kRefused, "no such thing"};
  };
  record_->set_open(false);
  start();
  thread_->add(notice("first"));
  ASSERT_TRUE(record_->wait([&] { return record_->begun == 1; }));
  for (const char* id : {"a", "bad", "b"}) thread_->add(notice(id));
  record_->set_open(true);
  ASSERT_TRUE(eventually([&] { return thread_->counters().sent == 3; }));
  EXPECT_THAT(record_->groups,
              ElementsAre("first:firing", "a:firing bad:firing b:firing", "a:firing", "bad:firing", "b:firing"));
  EXPECT_EQ(thread_->counters().dropped, 1U);
  stop();
  EXPECT_THAT(log_.str(), HasSubstr("the alert channel pager refuses a notice, which is lost: no such thing"));
}

TEST_F(ChannelThreadTest, an_exception_is_a_fault_like_any_other) {
  int failures = 1;
  record_->answer = [&](const std::string&) {
    if (failures-- > 0) throw std::runtime_error("thrown");
    return Delivery{};
  };
  start();
  thread_->add(notice("a"));
  ASSERT_TRUE(eventually([&] { return thread_->counters().sent == 1; }));
  EXPECT_EQ(thread_->counters().last_error, "unexpected: thrown");
}

TEST_F(ChannelThreadTest, new_settings_are_tried_at_once) {
  auto patient = quick();
  patient.retry_first = patient.retry_most = 1h;
  record_->answer = [](const std::string&) { return away(); };
  start(patient);
  thread_->add(notice("a"));
  ASSERT_TRUE(eventually([&] { return thread_->counters().failing; }));
  const auto other = std::make_shared<Record>();
  thread_->become(std::make_unique<TestChannel>(other), patient);
  EXPECT_TRUE(other->wait_for_groups(1));
  EXPECT_THAT(other->groups, ElementsAre("a:firing"));
}

TEST_F(ChannelThreadTest, the_end_waits_for_no_company_and_no_pause) {
  auto slow = quick();
  slow.group_wait = 1h;
  start(slow);
  thread_->add(notice("a"));
  thread_->add(notice("b"));
  stop();
  EXPECT_THAT(record_->groups, ElementsAre("a:firing b:firing"));
}

TEST_F(ChannelThreadTest, a_restart_loses_nothing_and_says_nothing_twice) {
  record_->answer = [](const std::string& group) { return group == "told:firing" ? Delivery{} : away(); };
  start();
  thread_->add(notice("told"));
  ASSERT_TRUE(eventually([&] { return thread_->counters().sent == 1; }));
  thread_->add(notice("a"));
  thread_->add(resolved("a"));
  ASSERT_TRUE(eventually([&] { return thread_->counters().failing; }));
  stop();
  const std::string kept = thread_->serialise();
  EXPECT_EQ(thread_->counters().dropped, 0U);
  record_ = std::make_shared<Record>();
  start(quick(), kept);
  ASSERT_TRUE(record_->wait_for_groups(1));
  thread_->add(notice("told"));
  thread_->add(resolved("told"));
  stop();
  EXPECT_THAT(record_->groups, ElementsAre("a:firing a:resolved", "told:resolved"));
}

TEST_F(ChannelThreadTest, what_was_kept_and_is_torn_is_said_and_no_reason_not_to_start) {
  start(quick(), "{\"version\":1");
  thread_->add(notice("a"));
  EXPECT_TRUE(record_->wait_for_groups(1));
  EXPECT_THAT(log_.str(), HasSubstr("the alert channel pager: the notices that were kept"));
}

constexpr int kIncidents = 1000;

std::string id_of(int number) { return "incident-" + std::to_string(number) + "."; }

// A port that nobody listens on.
uint16_t free_port() { return InfluxServer().port(); }

std::size_t delivered_ids(const std::string& bodies) {
  std::size_t found = 0;
  for (int i = 0; i < kIncidents; ++i) {
    if (bodies.find(R"("id":")" + id_of(i) + '"') != std::string::npos) ++found;
  }
  return found;
}

TEST_F(ChannelThreadTest, a_thousand_incidents_while_the_webhook_is_down_all_come_through) {
  const uint16_t port = free_port();
  start_webhook("http://127.0.0.1:" + std::to_string(port) + "/hook", 300ms);
  for (int i = 0; i < kIncidents; ++i) thread_->add(notice(id_of(i)));
  ASSERT_TRUE(eventually([&] { return thread_->counters().failed >= 3; }));
  EXPECT_EQ(thread_->counters().queued, static_cast<std::uint64_t>(kIncidents));
  // It comes back bit by bit: errors, silence, "too many", a redirect.
  InfluxServer server({refusal("500 Internal Server Error"), "", refusal("429 Too Many Requests"),
                       refusal("302 Found\r\nLocation: file:///etc/passwd"), kAccepted, refusal("503 Unavailable")},
                      port);
  ASSERT_TRUE(eventually([&] { return thread_->counters().sent == kIncidents; }));
  EXPECT_EQ(delivered_ids(server.bodies()), static_cast<std::size_t>(kIncidents));
  EXPECT_EQ(thread_->counters().dropped, 0U);
}

TEST_F(ChannelThreadTest, what_had_no_room_while_the_webhook_was_down_is_counted) {
  const uint16_t port = free_port();
  auto small = quick();
  small.limit = 300;
  start_webhook("http://127.0.0.1:" + std::to_string(port) + "/hook", 300ms, small);
  for (int i = 0; i < kIncidents; ++i) thread_->add(notice(id_of(i)));
  ASSERT_TRUE(eventually([&] { return thread_->counters().failed >= 3; }));
  InfluxServer server({}, port);
  ASSERT_TRUE(eventually([&] { return thread_->counters().queued == 0; }));
  const auto counters = thread_->counters();
  EXPECT_EQ(counters.dropped, 700U);
  EXPECT_EQ(counters.sent, 300U);
  EXPECT_EQ(delivered_ids(server.bodies()), 300U);
  EXPECT_THAT(server.bodies(), HasSubstr(id_of(999)));
}

}  // namespace
}  // namespace outrider
