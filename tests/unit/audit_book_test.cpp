#include "userspace/audit/audit_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outrider {
namespace {

using std::chrono::milliseconds;

/// A second of ours is read from its beginning for 10 ms.
AuditBook::Ours ours(int second, std::uint64_t queries) {
  const AuditBook::Time begin{milliseconds(1000 * second)};
  return {begin, begin + milliseconds(10), queries, 0};
}

AuditBook::Theirs theirs(int at_ms, std::uint64_t queries, const std::string& epoch = "one") {
  const AuditBook::Time begin{milliseconds(at_ms)};
  return {begin, begin + milliseconds(5), at_ms, {queries, epoch}};
}

TEST(AuditBook, what_may_be_right_on_both_sides_is_no_difference) {
  AuditBook book;
  book.ours(ours(1, 100));
  book.theirs(theirs(1500, 5'040));  // between 100 and 200 of ours: an excess of 4,840 to 4,940
  book.ours(ours(2, 200));
  EXPECT_FALSE(book.comparison());
  book.ours(ours(3, 300));
  book.theirs(theirs(3500, 5'290));  // 300 to 400: 4,890 to 4,990
  book.ours(ours(4, 400));
  ASSERT_TRUE(book.comparison());
  EXPECT_EQ(book.comparison()->since_ms, 1500);
  EXPECT_EQ(book.comparison()->compared_ms, 3500);
  EXPECT_EQ(book.comparison()->engine_queries, 250U);
  EXPECT_EQ(book.comparison()->difference, 0);
  EXPECT_EQ(book.comparison()->uncertainty, 150U);  // 50 seen twice (4,890 - 4,940) to 150 missed (4,990 - 4,840)
  EXPECT_EQ(book.restarts(), 0U);
}

TEST(AuditBook, what_was_missed_within_the_bounds_is_in_the_uncertainty) {
  AuditBook book;
  book.ours(ours(1, 0));
  book.theirs(theirs(1500, 5'000));  // an excess of -5,000 to 5,000; the truth is 0
  book.ours(ours(2, 10'000));
  book.ours(ours(3, 10'000));
  book.theirs(theirs(3500, 13'000));  // 3,000 that nobody saw: an excess of 3,000
  book.ours(ours(4, 10'000));
  ASSERT_TRUE(book.comparison());
  EXPECT_EQ(book.comparison()->difference, 0);
  EXPECT_EQ(book.comparison()->uncertainty, 8'000U);
}

TEST(AuditBook, what_is_in_flight_the_engine_may_have_counted) {
  AuditBook book;
  book.ours(ours(1, 0));
  book.theirs(theirs(1500, 10));
  book.ours(ours(2, 0));
  book.theirs(theirs(2500, 13));
  AuditBook::Ours hanging = ours(3, 0);
  hanging.in_flight = 3;
  book.ours(hanging);
  EXPECT_EQ(book.comparison()->difference, 0);
  EXPECT_EQ(book.comparison()->uncertainty, 3U);
}

TEST(AuditBook, what_the_engine_counted_beyond_the_bounds_was_not_seen) {
  AuditBook book;
  book.ours(ours(1, 0));
  book.theirs(theirs(1500, 10));  // 10, neither more nor less
  book.ours(ours(2, 0));
  book.theirs(theirs(2500, 1'010));  // 960 to 1,010, where 50 may have come after it
  book.ours(ours(3, 50));
  ASSERT_TRUE(book.comparison());
  EXPECT_EQ(book.comparison()->difference, 950);
  EXPECT_EQ(book.comparison()->uncertainty, 50U);
  EXPECT_EQ(book.comparison()->engine_queries, 1'000U);
  book.theirs(theirs(3500, 1'010));  // the same excess of 960: what was lost stays lost
  book.ours(ours(4, 50));
  EXPECT_EQ(book.comparison()->difference, 950);
  EXPECT_EQ(book.comparison()->uncertainty, 0U);
}

TEST(AuditBook, a_newer_reading_does_not_take_the_place_of_one_that_waits) {
  AuditBook book;
  const auto moment = [](int ms) { return AuditBook::Time{milliseconds(ms)}; };
  book.ours({moment(0), moment(40), 0, 0});
  for (int second = 1; second <= 4; ++second) {
    book.theirs(theirs(1000 * second + 50, 10));  // each comes while the next total is being read
    book.ours({moment(1000 * second), moment(1000 * second + 80), 0, 0});
  }
  EXPECT_TRUE(book.comparison());
}

TEST(AuditBook, what_was_seen_and_the_engine_does_not_know_is_negative) {
  AuditBook book;
  book.ours(ours(1, 0));
  book.theirs(theirs(1500, 10));
  book.ours(ours(2, 0));
  book.ours(ours(3, 70));
  book.theirs(theirs(3500, 30));  // 20 of the 70: an excess of -40 where it was 10
  book.ours(ours(4, 70));
  EXPECT_EQ(book.comparison()->difference, -50);
}

TEST(AuditBook, a_reading_is_compared_with_totals_of_before_and_after_alone) {
  AuditBook book;
  book.theirs(theirs(500, 10));  // nothing of ours is older
  book.ours(ours(1, 0));
  book.theirs(theirs(1500, 20));
  book.ours(ours(2, 0));
  EXPECT_FALSE(book.comparison());  // that was the first one
  book.ours(ours(3, 10));
  book.theirs(theirs(3995, 30));  // ends at 4,000
  book.ours(ours(4, 10));         // begins there
  ASSERT_TRUE(book.comparison());
  book.theirs(theirs(4999, 40));  // still being read when ours begins at 5,000
  book.ours(ours(5, 20));
  EXPECT_EQ(book.comparison()->compared_ms, 3995);
  book.ours(ours(6, 20));
  EXPECT_EQ(book.comparison()->compared_ms, 4999);
  EXPECT_EQ(book.comparison()->difference, 0);
}

TEST(AuditBook, another_epoch_a_smaller_count_and_an_interruption_begin_anew) {
  AuditBook book;
  const auto round = [&](int second, std::uint64_t mine, std::uint64_t engine, const std::string& epoch) {
    book.ours(ours(second, mine));
    book.theirs(theirs(1000 * second + 500, engine, epoch));
    book.ours(ours(second + 1, mine));
  };
  round(1, 10, 10, "one");
  round(3, 20, 20, "one");
  ASSERT_TRUE(book.comparison());
  round(5, 30, 500, "two");
  EXPECT_FALSE(book.comparison());
  EXPECT_EQ(book.restarts(), 1U);
  round(7, 40, 510, "two");
  EXPECT_EQ(book.comparison()->engine_queries, 10U);
  EXPECT_EQ(book.comparison()->difference, 0);
  round(9, 50, 505, "two");  // reset without a word
  EXPECT_FALSE(book.comparison());
  EXPECT_EQ(book.restarts(), 2U);
  round(11, 60, 515, "two");
  ASSERT_TRUE(book.comparison());
  book.interrupt();
  EXPECT_FALSE(book.comparison());
  round(13, 900, 525, "two");
  round(15, 910, 535, "two");
  EXPECT_EQ(book.comparison()->difference, 0);
  round(17, 5, 540, "two");  // a target that is watched anew
  EXPECT_FALSE(book.comparison());
  EXPECT_EQ(book.restarts(), 4U);
}

TEST(RedisInfo, calls_of_all_commands_are_summed) {
  const auto count = parse_redis_info(
      "# Server\r\nredis_version:7.0.15\r\nrun_id:5f1c\r\n\r\n# Commandstats\r\n"
      "cmdstat_set:calls=20,usec=31,usec_per_call=1.55,rejected_calls=3,failed_calls=0\r\n"
      "cmdstat_config|get:calls=2,usec=9,usec_per_call=4.50,rejected_calls=0,failed_calls=1\r\n");
  ASSERT_TRUE(count) << count.error().message;
  EXPECT_EQ(count->queries, 22U);
  EXPECT_EQ(count->epoch, "5f1c");
}

TEST(RedisInfo, a_server_that_was_just_started_has_counted_nothing) {
  const auto count = parse_redis_info("run_id:5f1c\r\n# Commandstats\r\n");
  ASSERT_TRUE(count);
  EXPECT_EQ(count->queries, 0U);
}

TEST(RedisInfo, what_is_no_such_answer_is_an_error) {
  for (const char* text : {"", "\n", "run_id:5f1c\r\n", "# Commandstats\r\ncmdstat_set:calls=1\r\n",
                           "run_id:\r\n# Commandstats\r\n", "run_id:1\n# Commandstats\ncmdstat_set:calls=x",
                           "run_id:1\n# Commandstats\ncmdstat_set:calls=99999999999999999999"}) {
    EXPECT_FALSE(parse_redis_info(text)) << text;
  }
}

TEST(EngineCounter, what_is_no_source_is_refused) {
  for (const char* source : {"", "http://localhost", "redis://host:0", "redis://host:x", "redis://host:70000"}) {
    EXPECT_FALSE(make_engine_counter(source)) << source;
  }
  for (const char* source : {"redis://host", "redis://[::1]:1", "unix:///run/socket", "postgresql:///"}) {
    EXPECT_TRUE(make_engine_counter(source)) << source;
  }
}

}  // namespace
}  // namespace outrider
