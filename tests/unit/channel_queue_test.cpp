// What a channel's queue hands on, and when.
#include "userspace/notify/channel_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/notices.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kNowMs = 1'700'000'000'000;
constexpr std::size_t kEnough = 1U << 20U;
constexpr double kSteady = 0.5;  // no jitter

QueueOptions options() {
  QueueOptions made;
  made.group_wait = 1s;
  made.repeat_interval = 1h;
  made.give_up_after = 24h;
  made.retry_first = 1s;
  made.retry_most = 1min;
  return made;
}

class ChannelQueueTest : public testing::Test {
 protected:
  std::string take() { return said(queue.take(now)); }
  std::string take_and_accept() {
    std::string text = take();
    if (!text.empty()) queue.accepted(now);
    return text;
  }

  ChannelQueue queue{options()};
  ChannelQueue::Time now = ChannelQueue::Clock::now();
};

TEST_F(ChannelQueueTest, what_comes_soon_after_the_first_goes_with_it) {
  EXPECT_FALSE(queue.due());
  queue.add(notice("a"), now);
  EXPECT_EQ(queue.due(), now + 1s);
  EXPECT_EQ(take(), "");
  now += 900ms;
  queue.add(notice("b"), now);
  EXPECT_EQ(take(), "");
  now += 100ms;
  EXPECT_EQ(take_and_accept(), "a:firing b:firing");
  EXPECT_EQ(take(), "");
  EXPECT_EQ(queue.size(), 0U);
}

TEST_F(ChannelQueueTest, a_full_group_waits_for_nobody) {
  auto two = options();
  two.group_limit = 2;
  queue.set_options(two);
  for (const char* id : {"a", "b", "c"}) queue.add(notice(id), now);
  EXPECT_LE(*queue.due(), now);
  EXPECT_EQ(take_and_accept(), "a:firing b:firing");
  EXPECT_EQ(take(), "");
  now += 1s;
  EXPECT_EQ(take_and_accept(), "c:firing");
}

TEST_F(ChannelQueueTest, what_is_not_accepted_stays_and_pauses_grow) {
  queue.add(notice("a"), now);
  now += 1s;
  for (const auto pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    EXPECT_EQ(take(), "a:firing");
    queue.failed(now, kSteady);
    EXPECT_EQ(queue.due(), now + pause);
    now += pause - 1ms;
    EXPECT_EQ(take(), "");
    now += 1ms;
  }
  EXPECT_EQ(take_and_accept(), "a:firing");
  queue.add(notice("b"), now);  // after a success the pauses begin anew
  now += 1s;
  EXPECT_EQ(take(), "b:firing");
  queue.failed(now, kSteady);
  EXPECT_EQ(queue.due(), now + 1s);
}

TEST_F(ChannelQueueTest, new_settings_end_a_pause) {
  queue.add(notice("a"), now);
  now += 1s;
  EXPECT_EQ(take(), "a:firing");
  queue.failed(now, kSteady);
  EXPECT_EQ(take(), "");
  queue.set_options(options());
  EXPECT_EQ(take(), "a:firing");
}

TEST_F(ChannelQueueTest, an_end_that_comes_before_the_begin_was_said_comes_after_it) {
  queue.add(notice("a"), now);
  now += 1s;
  EXPECT_EQ(take(), "a:firing");
  queue.add(resolved("a"), now);
  queue.failed(now, kSteady);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "a:firing a:resolved");
  now += 24h;
  EXPECT_EQ(take(), "");
}

TEST_F(ChannelQueueTest, the_oldest_go_when_it_is_full_but_none_that_is_on_its_way) {
  auto small = options();
  small.limit = 3;
  small.group_limit = 1;
  queue.set_options(small);
  queue.add(notice("a"), now);
  EXPECT_EQ(take(), "a:firing");
  for (const char* id : {"b", "c", "d", "e"}) queue.add(notice(id), now);
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.dropped(), 2U);
  queue.failed(now, kSteady);
  now += 1s;
  EXPECT_EQ(take(), "a:firing");
  EXPECT_EQ(queue.accepted(now), 1U);
  EXPECT_EQ(take_and_accept(), "d:firing");
  EXPECT_EQ(take_and_accept(), "e:firing");
}

TEST_F(ChannelQueueTest, a_smaller_queue_costs_nothing_that_is_on_its_way) {
  for (const char* id : {"a", "b", "c"}) queue.add(notice(id), now);
  now += 1s;
  EXPECT_EQ(take(), "a:firing b:firing c:firing");
  auto small = options();
  small.limit = 1;
  queue.set_options(small);
  queue.add(notice("d"), now);
  EXPECT_EQ(queue.dropped(), 1U);
  EXPECT_EQ(queue.accepted(now), 3U);
  EXPECT_EQ(queue.size(), 0U);
}

TEST_F(ChannelQueueTest, what_is_too_old_is_given_up) {
  queue.add(notice("a"), now);
  now += 1s;
  queue.add(notice("b"), now);
  now += 24h;
  EXPECT_EQ(take(), "b:firing");
  EXPECT_EQ(queue.dropped(), 1U);
}

TEST_F(ChannelQueueTest, a_group_that_is_refused_is_tried_one_by_one) {
  for (const char* id : {"a", "bad", "c"}) queue.add(notice(id), now);
  now += 1s;
  EXPECT_EQ(take(), "a:firing bad:firing c:firing");
  EXPECT_EQ(queue.refused(now), 0U);
  EXPECT_EQ(take_and_accept(), "a:firing");
  EXPECT_EQ(take(), "bad:firing");
  EXPECT_EQ(queue.refused(now), 1U);
  EXPECT_EQ(queue.dropped(), 1U);
  EXPECT_EQ(take_and_accept(), "c:firing");
  for (const char* id : {"d", "e"}) queue.add(notice(id), now);
  now += 1s;
  EXPECT_EQ(take(), "d:firing e:firing");
}

TEST_F(ChannelQueueTest, what_goes_on_is_said_again_and_what_is_over_is_not) {
  queue.add(notice("a"), now);
  queue.add(notice("b"), now);
  queue.add(notice("a", Notice::What::kWorse), now);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "a:firing b:firing a:worse");
  EXPECT_EQ(queue.due(), now + 1h);
  now += 1h - 1ms;
  EXPECT_EQ(take(), "");
  now += 1ms;
  EXPECT_EQ(take(), "a:worse b:firing");
  queue.failed(now, kSteady);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "a:worse b:firing");
  EXPECT_EQ(queue.due(), now + 1h);
  EXPECT_EQ(take(), "");
  queue.add(resolved("a"), now);
  now += 1h;
  EXPECT_EQ(take_and_accept(), "a:resolved");
  EXPECT_EQ(take_and_accept(), "b:firing");
}

TEST_F(ChannelQueueTest, what_is_to_be_said_again_soon_goes_with_what_is_due) {
  for (const char* id : {"a", "b", "c"}) {
    queue.add(notice(id), now);
    now += 1s;
    EXPECT_EQ(take_and_accept(), std::string(id) + ":firing");
  }
  now += 1h - 2s;  // "a" is due, "b" within a second, "c" within two
  EXPECT_EQ(take_and_accept(), "a:firing b:firing");
}

TEST_F(ChannelQueueTest, what_is_silenced_is_not_repeated_until_it_is_not) {
  queue.add(notice("a"), now);
  queue.add(notice("b"), now);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "a:firing b:firing");
  queue.hold({"a"}, now);
  now += 1h;
  EXPECT_EQ(take_and_accept(), "b:firing");
  queue.hold({"a", "b"}, now);
  EXPECT_FALSE(queue.due());
  queue.hold({}, now);
  EXPECT_LE(*queue.due(), now);
  EXPECT_EQ(take_and_accept(), "a:firing");
}

// One that begins while a and b are silenced, and knows c, whose end is held back while it flaps.
TEST_F(ChannelQueueTest, one_that_catches_up_hears_of_what_was_silenced_when_it_is_not) {
  queue.add(notice("c"), now);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "c:firing");
  queue.hold({"a", "b"}, now);
  queue.catch_up({notice("a"), notice("b"), resolved("c")}, now, 0);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "");
  queue.add(resolved("b"), now);
  queue.hold({}, now);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "a:firing");
  queue.add(resolved("c"), now);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "c:resolved");
}

TEST_F(ChannelQueueTest, nothing_is_repeated_if_nothing_shall_be) {
  auto once = options();
  once.repeat_interval = 0s;
  queue.set_options(once);
  queue.add(notice("a"), now);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "a:firing");
  EXPECT_FALSE(queue.due());
  now += 1000h;
  EXPECT_EQ(take(), "");
}

TEST_F(ChannelQueueTest, a_begin_that_is_told_twice_is_said_once) {
  queue.add(notice("a"), now);
  queue.add(notice("a"), now);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "a:firing");
}

TEST_F(ChannelQueueTest, only_what_is_severe_enough_but_then_to_its_end) {
  auto critical = options();
  critical.least = Severity::kCritical;
  queue.set_options(critical);
  queue.add(notice("a"), now);  // a warning
  queue.add(resolved("a"), now);
  EXPECT_EQ(queue.size(), 0U);
  queue.add(notice("b"), now);
  auto worse = notice("b", Notice::What::kWorse);
  worse.severity = Severity::kCritical;
  queue.add(worse, now);
  queue.add(resolved("b"), now);  // a warning again, of one that was told
  now += 1s;
  EXPECT_EQ(take_and_accept(), "b:worse b:resolved");
}

TEST_F(ChannelQueueTest, a_receiver_that_knows_by_labels_gets_the_first_ones_to_the_end) {
  auto keep = options();
  keep.keep_labels = true;
  queue.set_options(keep);
  auto first = notice("a");
  first.labels["team"] = "storage";
  queue.add(first, now);
  for (const auto what : {Notice::What::kWorse, Notice::What::kResolved}) {
    auto later = notice("a", what);
    later.severity = Severity::kCritical;
    later.labels["team"] = "search";
    later.value = 7;
    queue.add(later, now);
  }
  now += 1s;
  for (const auto& one : queue.take(now)) {
    EXPECT_EQ(one.severity, Severity::kWarning);
    EXPECT_EQ(one.labels.at("team"), "storage");
    EXPECT_EQ(one.value, one.what == Notice::What::kFiring ? 0.15 : 7);
  }
}

TEST_F(ChannelQueueTest, at_the_end_everything_goes_at_once_and_nothing_is_repeated) {
  queue.add(notice("a"), now);
  now += 1s;
  EXPECT_EQ(take(), "a:firing");
  queue.failed(now, kSteady);
  queue.add(notice("b"), now);
  queue.hurry();
  EXPECT_EQ(take_and_accept(), "a:firing b:firing");
  now += 1h;
  EXPECT_EQ(take(), "");
}

class KeptQueueTest : public ChannelQueueTest {};

TEST_F(KeptQueueTest, what_waits_and_what_goes_on_survives) {
  queue.add(notice("told"), now);
  now += 1s;
  EXPECT_EQ(take_and_accept(), "told:firing");
  now += 10min;
  Notice full = notice("waits");
  full.arm = "shift";
  full.type = "scan";
  full.severity = Severity::kEmergency;
  full.expected = 0.05;
  full.score = 9.5;
  full.cause = "io";
  full.annotation = "look at the disk";
  full.labels = {{"team", "storage"}};
  queue.add(full, now);
  ChannelQueue next{options()};
  next.add(notice("new"), now);
  ASSERT_TRUE(next.restore(queue.serialise(now, kNowMs, kEnough), now, kNowMs + 60'000));
  const auto group = next.take(now);
  EXPECT_EQ(said(group), "waits:firing new:firing");
  const Notice& back = group.front();
  EXPECT_EQ(std::tie(back.arm, back.type, back.severity, back.expected, back.score, back.cause, back.annotation),
            std::tie(full.arm, full.type, full.severity, full.expected, full.score, full.cause, full.annotation));
  EXPECT_EQ(std::tie(back.name, back.rule_id, back.target, back.metric, back.at_ms, back.since_ms, back.value),
            std::tie(full.name, full.rule_id, full.target, full.metric, full.at_ms, full.since_ms, full.value));
  EXPECT_EQ(std::tie(back.threshold, back.text, back.labels), std::tie(full.threshold, full.text, full.labels));
  next.accepted(now);
  next.add(resolved("waits"), now);
  next.add(resolved("new"), now);
  now += 1s;
  EXPECT_EQ(said(next.take(now)), "waits:resolved new:resolved");
  next.accepted(now);
  // 10 minutes before and one while nobody ran have passed since it was said.
  EXPECT_EQ(next.due(), now - 1s + 49min);
}

TEST_F(KeptQueueTest, a_clock_that_was_set_back_makes_nothing_older) {
  queue.add(notice("a"), now);
  ChannelQueue next{options()};
  ASSERT_TRUE(next.restore(queue.serialise(now, kNowMs, kEnough), now, kNowMs - 3'600'000));
  EXPECT_EQ(next.due(), now + 1s);
}

TEST_F(KeptQueueTest, time_that_nobody_ran_counts_for_giving_up) {
  queue.add(resolved("a"), now);
  ChannelQueue next{options()};
  ASSERT_TRUE(next.restore(queue.serialise(now, kNowMs, kEnough), now, kNowMs + 25 * 3'600'000LL));
  EXPECT_EQ(said(next.take(now)), "");
  EXPECT_EQ(next.dropped(), 1U);
}

TEST_F(KeptQueueTest, the_newest_are_kept_where_not_all_have_room) {
  for (int i = 0; i < 100; ++i) queue.add(notice("id" + std::to_string(i)), now);
  const std::string text = queue.serialise(now, kNowMs, 5'000);
  EXPECT_LE(text.size(), 5'000U);
  EXPECT_THAT(text, HasSubstr("\"id99\""));
  EXPECT_THAT(text, Not(HasSubstr("\"id0\"")));
  ChannelQueue next{options()};
  ASSERT_TRUE(next.restore(text, now, kNowMs));
  EXPECT_GT(next.size(), 4U);
}

TEST_F(KeptQueueTest, something_else_is_an_error_and_changes_nothing) {
  queue.add(notice("a"), now);
  const std::string good = queue.serialise(now, kNowMs, kEnough);
  const auto with = [&good](const std::string& from, const std::string& to) {
    return std::string(good).replace(good.find(from), from.size(), to);
  };
  const std::string bad[] = {"",
                             "null",
                             "[]",
                             good.substr(0, good.size() / 2),
                             with(R"("version":1)", R"("version":2)"),
                             with(R"("firing")", R"("burning")"),
                             with(R"("warning")", R"("mild")"),
                             with(R"("queue":[)", R"("queue":[7,)"),
                             with(R"("value":0.15)", R"("value":"much")"),
                             with("\"age_ms\":0", "\"age_ms\":9223372036854775807"),
                             with("2023-11-14T22:13:50.000Z", "yesterday evening")};
  for (const std::string& text : bad) {
    ChannelQueue next{options()};
    EXPECT_FALSE(next.restore(text, now, kNowMs)) << text;
    EXPECT_EQ(next.size(), 0U);
  }
  ChannelQueue extreme{options()};
  EXPECT_TRUE(extreme.restore(with("\"age_ms\":0", "\"age_ms\":9007199254740992"), now, kNowMs));
  EXPECT_EQ(said(extreme.take(now)), "");
}

}  // namespace
}  // namespace outrider
