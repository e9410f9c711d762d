// Titles as PostgreSQL 15 writes them (set_ps_display), and what might be taken for one.
#include "userspace/target/session_title.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

void expect(const std::string& title, const ClientSession& expected) {
  const auto found = session_of_title(title);
  ASSERT_TRUE(found.has_value()) << title;
  EXPECT_EQ(found->user, expected.user) << title;
  EXPECT_EQ(found->database, expected.database) << title;
  EXPECT_EQ(found->client, expected.client) << title;
}

TEST(SessionTitle, of_backends) {
  expect("postgres: alice bench [local] UPDATE waiting", {"bench", "alice", "[local]"});
  expect("postgres: alice bench [local] idle in transaction", {"bench", "alice", "[local]"});
  expect("postgres: alice bench [local] idle in transaction (aborted)", {"bench", "alice", "[local]"});
  expect("postgres: alice bench 192.0.2.1(41234) SELECT", {"bench", "alice", "192.0.2.1(41234)"});
  expect("postgres: alice bench 2001:db8::1(41234) SELECT", {"bench", "alice", "2001:db8::1(41234)"});
  expect("postgres: 15/main: alice bench [local] SELECT", {"bench", "alice", "[local]"});
  expect("postgres: 15/main: alice bench db.example.org(41234) SELECT", {"bench", "alice", "db.example.org(41234)"});
  const std::string longest(63, 'n');
  expect("postgres: " + longest + " " + longest + " [local] SELECT", {longest, longest, "[local]"});
}

TEST(SessionTitle, of_others_there_is_none) {
  for (const char* title :
       {"postgres: checkpointer ", "postgres: 15/main: walwriter ", "postgres: parallel worker for PID 4711 ",
        "postgres: walsender alice 192.0.2.1(41234) streaming 0/3000148",
        "postgres: walsender alice [local] START_REPLICATION", "postgres: autovacuum worker bench",
        "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql", "mariadbd", "postgres:", "postgres: ", ""}) {
    EXPECT_FALSE(session_of_title(title).has_value()) << title;
  }
}

TEST(SessionTitle, that_can_be_read_in_two_ways_says_nothing) {
  for (const char* title :
       {"postgres: alice smith bench [local] SELECT", "postgres: alice my bench [local] idle",
        "postgres: alice bench SELECT", "postgres:  bench [local] idle",
        "postgres: alice bench 10.0.0.9(1) [local] idle", "postgres: alice bench (12) idle",
        "postgres: alice bench host() idle", "postgres: my cluster: alice bench [local]",
        "postgres: eve x: alice bench [local] idle", "postgres: a [local] bench [local] idle",
        "postgres: eve y: alice bench z(1) 192.0.2.1(7) idle", "postgres: eve x(1) bench [local] idle"}) {
    EXPECT_FALSE(session_of_title(title).has_value()) << title;
  }
}

TEST(SessionTitle, of_which_the_end_is_not_known_says_nothing) {
  const std::string title = "postgres: alice bench z(1) ";
  EXPECT_TRUE(session_of_title(title + std::string(255 - title.size(), 'h')).has_value());
  EXPECT_FALSE(session_of_title(title + std::string(256 - title.size(), 'h')).has_value());
}

}  // namespace
}  // namespace outrider
