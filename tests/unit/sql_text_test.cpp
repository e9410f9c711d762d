// What of an SQL text may be shown. Expected values by PostgreSQL's rules of lexical structure (manual, 4.1).
#include "userspace/model/sql_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace outrider {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Shown {
  const char* sql;
  const char* text;
};

class SqlText : public testing::TestWithParam<Shown> {};

TEST_P(SqlText, HasNoLiterals) { EXPECT_EQ(without_literals(GetParam().sql), GetParam().text); }

INSTANTIATE_TEST_SUITE_P(Strings, SqlText,
                         testing::Values(Shown{"SELECT 'secret'", "SELECT ?"},
                                         Shown{"SELECT 'it''s', 2", "SELECT ?, ?"}, Shown{"SELECT ''", "SELECT ?"},
                                         Shown{R"(SELECT E'it\'s', x)", "SELECT ?, x"},
                                         Shown{R"(SELECT e'a\\', x)", "SELECT ?, x"},
                                         Shown{R"(SELECT 'C:\dir', x)", "SELECT ?, x"},
                                         Shown{"SELECT X'1F', B'01', N'a', U&'\\0061'", "SELECT ?, ?, ?, U&?"},
                                         Shown{"SELECT $$it's$$, $q$a $$ b$q$, $1", "SELECT ?, ?, $1"},
                                         Shown{"SELECT $outer$ $inner$ x $inner$ $outer$ FROM t", "SELECT ? FROM t"}));

INSTANTIATE_TEST_SUITE_P(Numbers, SqlText,
                         testing::Values(Shown{"SELECT 1, 2.5, .5, 1e10, 1.5E-3, 0xff, 1_000",
                                               "SELECT ?, ?, ?, ?, ?, ?, ?"},
                                         Shown{"SELECT t1.c2 FROM t1 WHERE c2=-5", "SELECT t1.c2 FROM t1 WHERE c2=-?"},
                                         Shown{"LIMIT 10-3", "LIMIT ?-?"}, Shown{"a[1:2]", "a[?:?]"}));

INSTANTIATE_TEST_SUITE_P(Names, SqlText,
                         testing::Values(Shown{R"(SELECT "weird ' name" FROM "t""x")",
                                               R"(SELECT "weird ' name" FROM "t""x")"},
                                         Shown{"SELECT größe FROM t", "SELECT größe FROM t"},
                                         Shown{"SELECT a$b FROM t", "SELECT a$b FROM t"},
                                         Shown{"UPDATE t SET x = NULL, y = TRUE", "UPDATE t SET x = NULL, y = TRUE"}));

INSTANTIATE_TEST_SUITE_P(CommentsAndSpace, SqlText,
                         testing::Values(Shown{"SELECT 1 -- password 'x'\n FROM t", "SELECT ? FROM t"},
                                         Shown{"SELECT /* a /* nested */ secret */ x", "SELECT x"},
                                         Shown{"  a \t\n b  ", "a b"}, Shown{"SELECT 1--1", "SELECT ?"},
                                         Shown{"SELECT a/*x*/b", "SELECT a b"}, Shown{"", ""}));

// Nothing of what might still be inside a literal.
INSTANTIATE_TEST_SUITE_P(Unclear, SqlText,
                         testing::Values(Shown{"SELECT 'no end", "SELECT ?..."}, Shown{"SELECT E'a\\", "SELECT ?..."},
                                         Shown{R"(SELECT 'a\' || secret)", "SELECT ?..."},
                                         Shown{"SELECT $tag$ no end $tg$", "SELECT ?..."},
                                         Shown{"SELECT \"no end", "SELECT..."}, Shown{"SELECT /* no end", "SELECT..."},
                                         Shown{"SELECT $ta", "SELECT $..."},
                                         Shown{"VALUES ('O'Brien', 'hunter2')", "VALUES (?..."},
                                         Shown{"VALUES ('a' b', 'hunter2', 'c' d')", "VALUES (? ?..."},
                                         Shown{"SELECT date'2026-01-01'", "SELECT..."}));

TEST(SqlTextCut, SaysSo) {
  EXPECT_EQ(without_literals("SELECT a, b", true), "SELECT a, b...");
  EXPECT_EQ(without_literals("SELECT 'a", true), "SELECT ?...");
}

TEST(SqlTextCut, NoPrefixOfATextShowsMoreThanTheWhole) {
  const std::string sql = R"(SELECT 'secret', E'sec\'ret', $x$secret$x$ /* secret */, "name" -- secret)";
  for (std::size_t length = 0; length <= sql.size(); ++length) {
    const std::string shown = without_literals(sql.substr(0, length), true);
    EXPECT_THAT(shown, Not(HasSubstr("sec"))) << length;
    EXPECT_THAT(shown, Not(HasSubstr("ret"))) << length;
  }
}

TEST(SqlTextCut, IsAlwaysUtf8) {
  EXPECT_EQ(without_literals("SELECT gr\xc3"), "SELECT gr\xef\xbf\xbd");
  EXPECT_EQ(without_literals(std::string("a\0b", 3)), std::string("a\0b", 3));
}

}  // namespace
}  // namespace outrider
