// What notices say of types that are statements.
#include "userspace/detect/statement_words.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

QueryMetrics metrics_with(const std::string& type, const std::string& statement) {
  QueryMetrics metrics;
  metrics.query_type_breakdown[type].statement = std::make_shared<const std::string>(statement);
  metrics.query_type_breakdown["read"] = {};
  return metrics;
}

TEST(StatementWords, say_what_a_named_statement_is) {
  const QueryMetrics metrics = metrics_with("UPDATE 3f2a9c81d0e4", "update t set n = ?");
  EXPECT_EQ(describe_statements(metrics, "p99 of type UPDATE 3f2a9c81d0e4 on db is 2 s"),
            "; UPDATE 3f2a9c81d0e4 is: update t set n = ?");
  EXPECT_EQ(describe_statements(metrics, "p99 of type UPDATE 000000000000 on db is 2 s"), "");
  EXPECT_EQ(describe_statements(metrics, "p99 of type read on db is 2 s"), "");
}

TEST(StatementWords, say_whose_it_is) {
  QueryMetrics metrics = metrics_with("UPDATE 3f2a9c81d0e4", "update t set n = ?");
  metrics.query_type_breakdown["UPDATE 3f2a9c81d0e4"].session =
      std::make_shared<const ClientSession>(ClientSession{"bench", "alice", ""});
  EXPECT_EQ(describe_statements(metrics, "UPDATE 3f2a9c81d0e4 is slow"),
            "; UPDATE 3f2a9c81d0e4 is: user alice, database bench: update t set n = ?");
}

TEST(StatementWords, say_it_once) {
  const QueryMetrics metrics = metrics_with("UPDATE 3f2a9c81d0e4", "update t set n = ?");
  EXPECT_EQ(describe_statements(metrics, "UPDATE 3f2a9c81d0e4 (update t set n = ?) waited"), "");
}

TEST(StatementWords, cut_what_is_long) {
  const QueryMetrics metrics = metrics_with("SELECT 3f2a9c81d0e4", std::string(1'000, 'x'));
  EXPECT_EQ(describe_statements(metrics, "SELECT 3f2a9c81d0e4 is slow"),
            "; SELECT 3f2a9c81d0e4 is: " + std::string(300, 'x') + "...");
}

TEST(StatementWords, name_who_waited_for_whom) {
  QueryMetrics metrics = metrics_with("UPDATE 3f2a9c81d0e4", "update t set n = ?");
  metrics.blocking.push_back(
      {.type = "UPDATE 3f2a9c81d0e4", .blocked_by = "COMMIT", .wait = "lock", .count = 1, .seconds = 1, .share = 0.5});
  EXPECT_EQ(describe_blocking(metrics, ""),
            "UPDATE 3f2a9c81d0e4 (update t set n = ?) waited 50 % of its time for COMMIT (lock)");
  EXPECT_EQ(describe_blocking(metrics, "SELECT"), "");
}

}  // namespace
}  // namespace outrider
