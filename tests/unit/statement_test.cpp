#include "userspace/model/statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace outrider {
namespace {

constexpr auto kPostgresql = OUTRIDER_SQL_POSTGRESQL;
constexpr auto kMysql = OUTRIDER_SQL_MYSQL;
constexpr auto kSqlite = OUTRIDER_SQL_SQLITE;

std::string text_of(const std::string& sql, outrider_sql_dialect dialect = kPostgresql) {
  const auto statement = statement_of(sql, dialect);
  return statement ? statement->text : "(nothing)";
}

std::uint64_t print_of(const std::string& sql, outrider_sql_dialect dialect = kPostgresql) {
  const auto statement = statement_of(sql, dialect);
  return statement ? statement->fingerprint : 0;
}

void expect_one(const std::vector<std::string>& texts, outrider_sql_dialect dialect = kPostgresql) {
  for (const std::string& text : texts)
    EXPECT_EQ(print_of(text, dialect), print_of(texts[0], dialect)) << text << "\n" << text_of(text, dialect);
}

void expect_different(const std::vector<std::string>& texts, outrider_sql_dialect dialect = kPostgresql) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_NE(print_of(texts[i], dialect), print_of(texts[j], dialect)) << texts[i] << "\n" << texts[j];
  }
}

TEST(Statement, LiteralsAreOne) {
  expect_one({"SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 22.5", "SELECT a FROM t WHERE b = 'x'",
              "SELECT a FROM t WHERE b = 'it''s'", "SELECT a FROM t WHERE b = E'a\\'b'", "SELECT a FROM t WHERE b = $1",
              "SELECT a FROM t WHERE b = ?", "SELECT a FROM t WHERE b = $$x$$",
              "SELECT a FROM t WHERE b = $q$a $$ b$q$", "SELECT a FROM t WHERE b = $q$a $q b$q$",
              "SELECT a FROM t WHERE b = 1e-5", "SELECT a FROM t WHERE b = .5", "SELECT a FROM t WHERE b = 0xff",
              "SELECT a FROM t WHERE b = 1_000", "SELECT a FROM t WHERE b = X'1f'", "SELECT a FROM t WHERE b = b'01'",
              "SELECT a FROM t WHERE b = N'x'"});
  EXPECT_EQ(text_of("SELECT a FROM t WHERE b = 'secret'"), "select a from t where b = ?");
}

TEST(Statement, SignsAreALiteralsOwn) {
  expect_one({"SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = -1", "SELECT a FROM t WHERE b = - 1",
              "SELECT a FROM t WHERE b = +1", "select a from t where b =-1"});
  expect_one({"SELECT 1", "SELECT -1", "select - 1"});
  expect_one({"SELECT f(1, 2)", "SELECT f(-1, -2)"});
  expect_one({"UPDATE t SET a = a + 5", "UPDATE t SET a = a + -5"});
  expect_different(
      {"SELECT a - 1 FROM t", "SELECT a + 1 FROM t", "SELECT a -b FROM t", "SELECT a FROM t", "SELECT -a FROM t"});
  EXPECT_EQ(text_of("UPDATE t SET a = a - 5 WHERE b = -3"), "update t set a = a - ? where b = ?");
}

TEST(Statement, CommentsBlanksAndCaseAreNothing) {
  expect_one({"SELECT a, b FROM t", "select a,b from t", "  SELECT\n\ta ,\r\n b FROM  t ;",
              "SELECT a, b -- why\nFROM t", "SELECT a, b /* x /* nested */ y */ FROM t",
              "/* q */ SELECT a, b FROM t -- end", "SELECT \"a\", b FROM t", "SELECT a/**/, b FROM t"});
  expect_different(
      {"SELECT a b FROM t", "SELECT ab FROM t", "SELECT \"A\" b FROM t", "SELECT a.b FROM t", "SELECT a/b FROM t"});
  expect_one({"SELECT a-- x\n FROM t", "SELECT a FROM t"});
  expect_one({"SELECT 1 -- x\n FROM t", "SELECT 2 FROM t", "SELECT -- x\n 1 FROM t", "SELECT --x\n-1 FROM t"});
}

TEST(Statement, ListsOfAnyLengthAreOne) {
  expect_one({"SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (1, 2, 3)",
              "SELECT a FROM t WHERE b in ('x','y')", "SELECT a FROM t WHERE b IN ($1, $2)",
              "SELECT a FROM t WHERE b IN (E'x', $$y$$, $q$z$q$, b'0')",
              "SELECT a FROM t WHERE b IN -- why\n(1, -- two\n2, /* three */ 3)",
              "SELECT a FROM t WHERE b IN (-1, -2, - 3)", "SELECT a FROM t WHERE b IN (?, ?)"});
  expect_one({"INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
              "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"});
  expect_one(
      {"INSERT INTO t VALUES (1, now()) RETURNING a", "INSERT INTO t VALUES (1, now()), (2, now()) RETURNING a"});
  expect_different({"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1, 2)", "INSERT INTO t VALUES (1), (now())"});
  expect_different({"SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (1, c)",
                    "SELECT a FROM t WHERE b IN (c, 1)", "SELECT a FROM t WHERE b IN (SELECT 1)"});
  expect_different({"SELECT 1", "SELECT 1, 2", "SELECT f(1)", "SELECT f(1, 2)"});
  expect_one({"SELECT a FROM t WHERE b IN (SELECT c FROM u WHERE d IN (1)) AND e = 1",
              "SELECT a FROM t WHERE b IN (SELECT c FROM u WHERE d IN (1, 2, 3)) AND e = 2"});
  expect_different({"SELECT a FROM t WHERE b IN (SELECT c FROM u WHERE d IN (1))",
                    "SELECT a FROM t WHERE b IN (SELECT c, d FROM u WHERE d IN (1))"});
  expect_one(
      {"SELECT a FROM t WHERE (b, c) IN ((1, 'x'))", "SELECT a FROM t WHERE (b, c) IN ((1, 'x'), (2, 'y'), ($1, $2))"});
  expect_different({"SELECT a FROM t WHERE (b, c) IN ((1, 2))", "SELECT a FROM t WHERE (b, c) IN ((1, d))",
                    "SELECT a FROM t WHERE (b, c) IN ((1, 2, 3))", "SELECT a FROM t WHERE (b, c) IN ((1, 2), (3, d))",
                    "SELECT a FROM t WHERE b IN (c + (d))", "SELECT a FROM t WHERE b IN (c + (d), (d))"});
  expect_different({"SELECT a FROM t WHERE b IN ((c), -d)", "SELECT a FROM t WHERE b IN ((c) - d)",
                    "SELECT a FROM t WHERE b IN ((c), (c) + d)", "SELECT a FROM t WHERE b IN ((c) + d)",
                    "SELECT a FROM t WHERE b IN ((c), (c))", "SELECT a FROM t WHERE b IN ((c))",
                    "SELECT a FROM t WHERE b IN ((c), (c).d)", "SELECT a FROM t WHERE b IN ((c).d)"});
  EXPECT_EQ(text_of("SELECT a FROM t WHERE b IN ((SELECT max(c) FROM u), d)"),
            "select a from t where b in ((select max(c) from u), d)");
  expect_one({"SELECT a FROM t WHERE b IN ((1 + 2))", "SELECT a FROM t WHERE b IN ((1 + 2), 3)"});
  expect_one({"SELECT a FROM t WHERE b IN (CASE WHEN c IN (1) THEN 2 END, 3)",
              "SELECT a FROM t WHERE b IN (CASE WHEN c IN (1, 2) THEN 2 END, 3, 4)"});
  expect_one({"UPDATE t SET a = 1; VALUES (1)", "UPDATE t SET a = 1; VALUES (1), (2)"});
  EXPECT_EQ(text_of("SELECT a FROM t WHERE (b, c) IN ((1, 2), (3, 4)) AND d IN (5, 6)"),
            "select a from t where (b, c) in ((?, ?)) and d in (?)");
  EXPECT_EQ(text_of("SELECT a FROM t WHERE b IN (1, 2) AND c = 3"), "select a from t where b in (?) and c = ?");
  EXPECT_EQ(text_of("INSERT INTO t (a, b) VALUES (1, 2), (3, 4) ON CONFLICT DO NOTHING"),
            "insert into t(a, b) values (?, ?) on conflict do nothing");
}

TEST(Statement, WhatIsOpenIsLeftOut) {
  EXPECT_EQ(text_of("SELECT 'a\\' , secret , ' FROM t"), "select ?...");
  EXPECT_EQ(text_of("SELECT 'a'secret"), "select ?...");
  EXPECT_EQ(text_of("SELECT secret'a'"), "select secret...");
  EXPECT_EQ(text_of("SELECT $tag secret"), "select...");
  EXPECT_EQ(text_of("SELECT 'no end secret"), "select ?");
  EXPECT_EQ(text_of("SELECT $$no end secret"), "select ?");
  // A quote too many or too few: what seems to be outside may be inside.
  EXPECT_EQ(text_of("SELECT 'a' secret'"), "select ?...");
  EXPECT_EQ(text_of("INSERT INTO t VALUES ('a', b) RETURNING 'c"), "insert into t values (?...");
  EXPECT_EQ(text_of("SELECT 'a', b \"secret"), "select ?...");
  EXPECT_EQ(text_of("SELECT 'a', $x$ secret"), "select ?...");
  EXPECT_EQ(text_of("SELECT a\" FROM t WHERE x = 'secret'"), "select a...");
  EXPECT_EQ(text_of("SELECT /* no end secret"), "select");
  EXPECT_EQ(text_of("SELECT E'\\\\' , b"), "select ?, b");
}

TEST(Statement, NothingButBlanksAndCommentsIsNone) {
  for (const char* sql : {"", "  ;; ", "-- x", "/* x */", "/* x"}) EXPECT_EQ(text_of(sql), "(nothing)") << sql;
}

TEST(Statement, WhatIsLongerThanLookedAtIsToldApartByItsSize) {
  const std::string begin = "SELECT '" + std::string(1100, 'x');
  EXPECT_EQ(print_of(begin + "'"), print_of(begin + "x'"));
  EXPECT_NE(print_of(begin + "'"), print_of("SELECT 'x'"));
  EXPECT_NE(print_of(begin + "'"), print_of(begin + std::string(1500, 'x')));
  EXPECT_EQ(text_of(begin + "'"), "select ?...");
  std::string columns = "SELECT a";
  while (columns.size() < 2000) columns += ", a";
  EXPECT_THAT(text_of(columns), ::testing::EndsWith(", a, a,..."));
}

TEST(Statement, AnyBytesGiveUtf8) { EXPECT_EQ(text_of("SELECT \xff, \"\xc3\xa4\""), "select \xef\xbf\xbd, \xc3\xa4"); }

TEST(Statement, EveryCharacterIsSomething) {
  for (int c = 1; c < 256; ++c) {
    const std::string shown = text_of("SELECT a" + std::string(1, static_cast<char>(c)) + "b");
    EXPECT_TRUE(shown.starts_with("select a")) << c << ": " << shown;
    EXPECT_EQ(shown.find('\0'), std::string::npos) << c;
  }
}

TEST(Statement, ATypeIsNamedByItsFirstWord) {
  EXPECT_EQ(statement_type(0x3f2a9c81d0e41234, "select a from t"), "SELECT 3f2a9c81d0e4");
  EXPECT_EQ(statement_type(0x000000000001ffff, "(select ?) union (select ?)"), "SELECT 000000000001");
  EXPECT_EQ(statement_type(0, "?"), "UNKNOWN 000000000000");
  EXPECT_TRUE(is_statement_type("SELECT 3f2a9c81d0e4"));
  EXPECT_TRUE(is_statement_type(statement_type(0, "?")));
  for (const char* other : {"SELECT", "SELECT 3f2a9c81d0e", "SELECT 3F2A9C81D0E4", "SELECT3f2a9c81d0e4",
                            "select 3f2a9c81d0e4", "3f2a9c81d0e4", " 3f2a9c81d0e4", ""}) {
    EXPECT_FALSE(is_statement_type(other)) << other;
  }
}

TEST(Statement, IsMeantByItsNameAndByItsFirstWord) {
  EXPECT_TRUE(is_of_type("SELECT 3f2a9c81d0e4", "SELECT 3f2a9c81d0e4"));
  EXPECT_TRUE(is_of_type("SELECT 3f2a9c81d0e4", "SELECT"));
  EXPECT_TRUE(is_of_type("SELECT", "SELECT"));
  EXPECT_FALSE(is_of_type("SELECT 3f2a9c81d0e4", "SEL"));
  EXPECT_FALSE(is_of_type("SELECT 3f2a9c81d0e4", "SELECT 000000000001"));
  EXPECT_FALSE(is_of_type("graph path", "graph"));
}

TEST(Statement, NoPrefixOfATextShowsMoreThanTheWhole) {
  const std::vector<std::pair<outrider_sql_dialect, std::string>> texts = {
      {kPostgresql, R"(SELECT 'secret', E'sec\'ret', $x$secret$x$ /* secret */, "name" -- secret)"},
      {kMysql, "SELECT 'secret', \"sec'ret\", x'secret', _utf8'secret' /* secret */, `name` # secret"},
      {kSqlite, R"(SELECT 'secret\', 'sec''ret' /* secret */, "na`me", `na"me`, [it's] -- secret)"}};
  for (const auto& [dialect, sql] : texts) {
    for (std::size_t length = 1; length <= sql.size(); ++length) {
      const std::string shown = text_of(sql.substr(0, length), dialect);
      EXPECT_THAT(shown, ::testing::StartsWith(std::string("select").substr(0, length)));
      EXPECT_THAT(shown, ::testing::Not(::testing::HasSubstr("sec"))) << sql.substr(0, length);
      EXPECT_THAT(shown, ::testing::Not(::testing::HasSubstr("ret"))) << sql.substr(0, length);
    }
  }
}

TEST(Statement, OfMysqlHasTextsInEitherQuote) {
  expect_one(
      {"SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = \"x\"",
       "SELECT a FROM t WHERE b = \"it's\"", "SELECT a FROM t WHERE b = 'a \"b\"'", "SELECT a FROM t WHERE b = 'it''s'",
       R"(SELECT a FROM t WHERE b = "a ""b""")", "SELECT a FROM t WHERE b = 'a\\n'", "SELECT `a` FROM `t` WHERE b = 2",
       "SELECT a FROM t WHERE b = N'x'", "SELECT a FROM t WHERE b = x'1f'", "SELECT a # why 'not\n FROM t WHERE b = 3",
       "SELECT a /* /* */ FROM t WHERE b = 4", "SELECT a -- why\n FROM t WHERE b = 5; SELECT 6"},
      kMysql);
  expect_one({"SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (\"x\", 'y', 3)",
              "SELECT a FROM t WHERE b IN ('y', \"x\")", "SELECT a FROM t WHERE b IN (x'1f', -1)"},
             kMysql);
  EXPECT_EQ(text_of("INSERT INTO t VALUES (1), (2) ON DUPLICATE KEY UPDATE a = VALUES(a), b = (1 + 2), c = 3", kMysql),
            "insert into t values (?) on duplicate key update a = values(a), b =(? + ?), c = ?");
  EXPECT_EQ(text_of("INSERT INTO t VALUES (1), (2) ON DUPLICATE KEY UPDATE c = c + VALUES(c), d = IF(d < VALUES(d), "
                    "VALUES(d), d)",
                    kMysql),
            "insert into t values (?) on duplicate key update c = c + values(c), d = if(d < values(d), values(d), d)");
  expect_different({"INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE c = GREATEST(VALUE(a), -b, c)",
                    "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE c = GREATEST(VALUE(a) - b, c)"},
                   kMysql);
  EXPECT_EQ(text_of("CREATE TABLE t (value int, KEY value (value), KEY n (n))", kMysql),
            "create table t(value int, key value (value), key n(n))");
  expect_one({"INSERT INTO t VALUE (1)", "INSERT INTO t VALUE (1), (2)"}, kMysql);
  expect_one({"INSERT INTO t VALUES (1, \"a\")", "INSERT INTO t VALUES (1, 'a'), (2, \"b\")"}, kMysql);
  expect_different({"SELECT `a b`", "SELECT a b", "SELECT $a", "SELECT a", "SELECT @a", "SELECT 1"}, kMysql);
  EXPECT_EQ(text_of("SELECT _utf8mb4'x', _binary \"y\", e$1 FROM `T``x`", kMysql),
            "select _utf8mb4 ?, _binary ?, e$1 from T`x");
  EXPECT_EQ(text_of("SELECT 'a'; SELECT secret", kMysql), "select ?");
}

TEST(Statement, OfMysqlMayHaveABackslashBeforeAQuote) {
  // Whether it belongs to the text is a setting of each session.
  EXPECT_EQ(text_of("SELECT 'a\\' , secret , ' FROM t", kMysql), "select ?...");
  EXPECT_EQ(text_of("SELECT \"a\\\" , secret , \" FROM t", kMysql), "select ?...");
  EXPECT_EQ(text_of("SELECT 'a\\\\' , secret , ' FROM t", kMysql), "select ?...");
  EXPECT_EQ(text_of("SELECT e'secret'", kMysql), "select e...");
  EXPECT_EQ(text_of("SELECT 'a'secret", kMysql), "select ?...");
  EXPECT_EQ(text_of("SELECT \"no end, secret", kMysql), "select ?");
}

TEST(Statement, OfMysqlHasCommentsBehindABlank) {
  expect_one({"SELECT a -- x\n FROM t", "SELECT a --\n FROM t", "SELECT a --\x01x\n FROM t", "SELECT a # x\n FROM t",
              "SELECT a -- x\r FROM\n FROM t", "SELECT a FROM t"},
             kMysql);
  EXPECT_EQ(text_of("SELECT a--1, 'x\nsecret'", kMysql), "select a -- ?, ?");
  // 81 41 is a letter of gbk, and no control character.
  EXPECT_EQ(text_of("SELECT a--\x81"
                    "A'\n', ' secret ' # '",
                    kMysql),
            "select a...");
  EXPECT_EQ(text_of("SELECT a FROM t WHERE b =--1", kMysql), "select a from t where b =-- ?");
}

TEST(Statement, OfMysqlMayHaveCodeInAComment) {
  EXPECT_EQ(text_of("INSERT INTO t VALUES (1) /*!50003 , ('*/ secret /* ') */", kMysql), "insert into t values (?...");
  EXPECT_EQ(text_of("SELECT a /*M! '*/ secret' */", kMysql), "select a...");
  expect_one({"SELECT a FROM t", "SELECT a /**/ FROM t", "SELECT a /* ! */ FROM t", "SELECT a /*x*/ FROM t",
              "SELECT a /*xy!*/ FROM t", "SELECT a /***/ FROM t"},
             kMysql);
  EXPECT_EQ(text_of("SELECT _utf8mb3'x', _utf16le'x', !a", kMysql), "select _utf8mb3 ?, _utf16le ?, ! a");
}

TEST(Statement, TwoMinusesWithABlankBetweenThemAreNoComment) {
  for (const auto dialect : {kPostgresql, kMysql, kSqlite}) {
    expect_different(
        {"SELECT a FROM t WHERE b IN (1, - - 5) AND c = 9", "SELECT a FROM t WHERE b IN (1, - - 5) OR d > 9"}, dialect);
    EXPECT_EQ(text_of("SELECT a FROM t WHERE b IN (1, - - 5) AND c = 'l1\n secret ' /* ' */", dialect),
              "select a from t where b in (?, - ?) and c = ?");
    expect_one(
        {"SELECT a FROM t WHERE b IN (1, - 5)", "SELECT a FROM t WHERE b IN (1, -5)", "SELECT a FROM t WHERE b IN (1)"},
        dialect);
  }
}

TEST(Statement, ANumberThatEndsWithAnEHasNoSignBehindIt) {
  for (const auto dialect : {kPostgresql, kMysql, kSqlite}) {
    EXPECT_EQ(text_of("SELECT a FROM t WHERE h = 0xCAFE-- 6' tall\nAND n = ' secret ' -- 7' tall", dialect),
              "select a from t where h = ? and n = ?");
    expect_one({"SELECT 1e-5", "SELECT 1e5", "SELECT 1e+5", "SELECT 1"}, dialect);
    EXPECT_EQ(text_of("SELECT 0x1e-a", dialect), "select ? - a");
  }
  EXPECT_EQ(text_of("SELECT 9 --- 6' tall\n 5, ' secret ' -- 7' tall", kMysql), "select ? - ?, ?");
}

TEST(Statement, ARowIsNoStatementOfItsOwn) {
  for (const auto dialect : {kPostgresql, kMysql, kSqlite}) {
    expect_different({"INSERT INTO t VALUES (1, 'O\\'Brien')", "INSERT INTO u VALUES (1, 'O\\'Brien')"}, dialect);
    const std::string more = " VALUES (1, '" + std::string(2000, 'x') + "')";
    expect_different({"INSERT INTO t" + more, "INSERT INTO u" + more}, dialect);
    expect_different({"INSERT INTO t VALUES ((SELECT x FROM (VALUES (1)) v), 2)",
                      "INSERT INTO u VALUES ((SELECT x FROM (VALUES (1)) v), 2)"},
                     dialect);
  }
}

TEST(Statement, OfSqliteMayHaveTextsInDoubleQuotes) {
  for (const char* sql : {"SELECT a FROM t WHERE b = \"secret\"", R"(SELECT a FROM t WHERE b = "se""cret" ;)",
                          "SELECT a FROM t WHERE b=\"\""}) {
    EXPECT_EQ(text_of(sql, kSqlite), "select a from t where b = ?") << sql;
    EXPECT_EQ(print_of(sql, kSqlite), print_of("SELECT a FROM t WHERE b = 1", kSqlite)) << sql;
  }
  EXPECT_EQ(text_of("INSERT INTO \"t\" (\"a\", \"b\") VALUES (\"secret\", 1), (2, \"secret\")", kSqlite),
            "insert into t(?, ?) values (?, ?)");
  expect_one({"SELECT a FROM t WHERE b IN (\"x\", 'y')", "SELECT a FROM t WHERE b IN ('x')",
              "SELECT a FROM t WHERE b IN (1, \"z\")"},
             kSqlite);
  EXPECT_EQ(text_of("SELECT CASE WHEN \"a\" LIKE \"secret\" THEN \"secret\" ELSE \"secret\" END", kSqlite),
            "select case when ? like ? then ? else ? end");
  EXPECT_EQ(
      text_of("SELECT \"u\".\"a\" FROM \"u\" JOIN \"t\" ON \"u\".\"a\" = \"t\".\"b\" ORDER BY \"u\".\"a\"", kSqlite),
      "select u.a from u join t on u.a = t.b order by u.a");
  EXPECT_EQ(text_of("UPDATE \"t\" SET \"a\" = \"secret\", \"b\" = 'x' || \"secret\"", kSqlite),
            "update t set a = ?, ? = ? || ?");
}

TEST(Statement, OfSqliteShowsADoubleQuotedNameOnlyWhereNothingElseMayStand) {
  for (const char* sql :
       {"SELECT \"secret\"", R"(SELECT DISTINCT "secret", f("secret"))", "SELECT a WHERE b = (\"secret\")",
        "SELECT a WHERE b BETWEEN 1 AND \"secret\"", "SELECT a WHERE b IS DISTINCT FROM \"secret\"",
        "VACUUM INTO \"secret\"", "VACUUM main INTO \"secret\"", "VACUUM store INTO \"secret\"",
        "VACUUM insert INTO \"secret\"", "SELECT a WHERE b IS DISTINCT \ufeff FROM \"secret\"",
        "ATTACH \"secret\" AS a", "PRAGMA a = \"secret\"", "SELECT a FROM t ORDER BY \"secret\"",
        R"(SELECT NOT "secret", - "secret")", "SELECT 1 \"secret\"",
        R"(SELECT a FROM t WHERE "secret" IN ("secret", b) LIMIT "secret")", "\"secret\"", R"(SELECT "sec""ret")"}) {
    EXPECT_THAT(text_of(sql, kSqlite), ::testing::Not(::testing::HasSubstr("sec"))) << sql;
    EXPECT_THAT(text_of(sql, kSqlite), ::testing::HasSubstr("?")) << sql;
  }
  EXPECT_EQ(text_of("INSERT OR IGNORE INTO \"t\" SELECT * FROM \"u\" AS \"x\" JOIN \"v\"", kSqlite),
            "insert or ignore into t select * from u as x join v");
  EXPECT_EQ(text_of("CREATE TABLE IF NOT EXISTS \"t\" (a)", kSqlite), "create table if not exists t(a)");
  EXPECT_EQ(text_of("REPLACE INTO main.\"t\" VALUES (1)", kSqlite), "replace into main.t values (?)");
  expect_different({"SELECT a FROM \"t\"", "SELECT a FROM \"u\"", "DELETE FROM \"t\"", R"(UPDATE "t" SET "a" = 1)"},
                   kSqlite);
}

TEST(Statement, AQuoteThatIsTheFirstCharacterOfANameIsNoEnd) {
  const std::string more(1100, 'x');
  EXPECT_EQ(text_of("INSERT INTO n VALUES (\"\"\"secret " + more + "\")", kSqlite), "insert into n values (...");
  EXPECT_EQ(text_of("SELECT \"\"\"secret", kSqlite), "select...");
  EXPECT_EQ(text_of("\"secret", kSqlite), "...");
  EXPECT_EQ(text_of("SELECT a``` FROM t WHERE x = 'secret'", kMysql), "select a...");
  EXPECT_EQ(text_of("SELECT a\"\"\" FROM t WHERE x = 'secret'"), "select a...");
  EXPECT_EQ(text_of("SELECT ```a` FROM t", kMysql), "select `a from t");
  expect_different({"SELECT b FROM ```a`", "SELECT b```a`", "SELECT b FROM `a`"}, kMysql);
}

TEST(Statement, OfSqliteHasNamedParameters) {
  EXPECT_EQ(text_of("SELECT a FROM t WHERE b=:x AND c = @Y AND d IN ($z, 'secret', $a::b) LIMIT :limit -1", kSqlite),
            "select a from t where b = :x and c = @y and d in ($z, ?, $a::b) limit :limit - ?");
  // What is in brackets right behind one belongs to its name; what looks like a quote there is none.
  for (const char* sql :
       {"SELECT $a(it's), ' secret '", "SELECT :a(it's), ' secret '", "SELECT @a::b(it's), ' secret '"})
    EXPECT_THAT(text_of(sql, kSqlite), ::testing::Not(::testing::HasSubstr("secret"))) << sql;
  EXPECT_EQ(text_of("SELECT $a(it's), ' secret '", kSqlite), "select $a...");
  EXPECT_EQ(text_of("SELECT 1 LIKE:p(x's), ' secret ', :q(x')", kSqlite), "select ?...");
  EXPECT_EQ(text_of("SELECT a$b, c$d(1)", kSqlite), "select a$b, c$d(?)");
  EXPECT_EQ(text_of("SELECT :a ('x')", kSqlite), "select :a(?)");
}

TEST(Statement, OfMysqlMayHaveABacktickInACharacter) {
  // U+815C of gbk is 81 60; read as single bytes its second half looks like a backtick.
  const std::string half = "\x81`", rest = ", 'secret', `b` # `";
  for (const std::string& sql : {"SELECT `a" + half + "b`, 'c" + half + "', ' secret ' # '", "SELECT a" + half + rest,
                                 "SELECT 1" + half + rest, "SELECT " + half + rest}) {
    EXPECT_THAT(text_of(sql, kMysql), ::testing::Not(::testing::HasSubstr("secret"))) << sql;
    EXPECT_THAT(text_of(sql, kMysql), ::testing::EndsWith("...")) << sql;
  }
  EXPECT_EQ(text_of("SELECT `gr\u00f6\u00df\u00e9`, `\u540d\u524d`, `\U0001F600` FROM `t`, `a``\u00e9`", kMysql),
            "select gr\u00f6\u00df\u00e9, \u540d\u524d, \U0001F600 from t, a`\u00e9");
  EXPECT_EQ(text_of("SELECT `gr\xf6\xdf"
                    "er` FROM`t`",
                    kMysql),
            "select gr\ufffd\ufffd"
            "er from t");
}

TEST(Statement, OfSqliteHasNamesInThreeQuotes) {
  expect_one({"SELECT a FROM \"t\" WHERE b = 1", "SELECT a FROM t WHERE b = ?", "SELECT `a` FROM [t] WHERE b = ?12",
              "SELECT a FROM t WHERE b = 'a\\'", "SELECT a FROM t WHERE b = x'1f'", "SELECT a FROM t WHERE b = 'it''s'",
              "SELECT a /* /* */ FROM t WHERE b = 1", ";; SELECT a FROM t WHERE b = 1; SELECT 2"},
             kSqlite);
  expect_one({"SELECT a FROM t WHERE b IN (?1, ?2)", "SELECT a FROM t WHERE b IN (1, 'x', ?)"}, kSqlite);
  expect_different({"SELECT [a b]", "SELECT a b", "SELECT $a", "SELECT :a", "SELECT @a", "SELECT a"}, kSqlite);
  EXPECT_EQ(text_of("SELECT t.\"a`b\", `c\"d`, [it's \"x\"], t.\"e\"\"f\" FROM t WHERE g = 'secret'", kSqlite),
            "select t.a`b, c\"d, it's \"x\", t.e\"f from t where g = ?");
  EXPECT_EQ(text_of("SELECT [a, 'secret'", kSqlite), "select...");
  EXPECT_EQ(text_of("SELECT e'secret'", kSqlite), "select e...");
}

TEST(Statement, WhatComesBehindItsSemicolonIsAnother) {
  const std::string more = "; SELECT '" + std::string(3000, 'x') + "'";
  for (const auto dialect : {kMysql, kSqlite}) {
    EXPECT_EQ(print_of("SELECT 1" + more, dialect), print_of("SELECT 1", dialect));
    EXPECT_EQ(text_of("SELECT 1" + more, dialect), "select ?");
    EXPECT_EQ(text_of("/* nothing */ ; ", dialect), "(nothing)");
  }
  EXPECT_NE(print_of("SELECT 1" + more), print_of("SELECT 1"));
}

}  // namespace
}  // namespace outrider
