// A text that has the shape of a known one is not looked at, and must be of the same statement: the machine that looks
// at texts whole (userspace/model/statement.h) says whether it is.
#include "tests/known_texts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "userspace/model/statement.h"

namespace outrider {
namespace {

constexpr auto kDialects = {OUTRIDER_SQL_POSTGRESQL, OUTRIDER_SQL_MYSQL, OUTRIDER_SQL_SQLITE};

std::uint64_t print_of(const std::string& sql, outrider_sql_dialect dialect) {
  const auto statement = statement_of(sql, dialect);
  return statement ? statement->fingerprint : 0;
}

/// What one thread sends.
class Thread {
 public:
  explicit Thread(outrider_sql_dialect dialect = OUTRIDER_SQL_POSTGRESQL)
      : dialect_(dialect), texts_(known_texts_new(dialect), &std::free) {}

  /// True if the text was known for what it is.
  bool knows(const std::string& sql) {
    const std::uint64_t known = known_texts_send(texts_.get(), sql.data(), sql.size());
    EXPECT_TRUE(known == 0 || known == print_of(sql, dialect_)) << "dialect " << dialect_ << ": " << sql;
    return known != 0;
  }
  void learn(const std::string& sql) {
    known_texts_learn_next(texts_.get());
    EXPECT_FALSE(knows(sql)) << "already: " << sql;
  }

 private:
  outrider_sql_dialect dialect_;
  std::unique_ptr<known_texts, decltype(&std::free)> texts_;
};

bool knows(const std::string& sent, const std::string& other, outrider_sql_dialect dialect = OUTRIDER_SQL_POSTGRESQL) {
  Thread thread(dialect);
  thread.learn(sent);
  EXPECT_TRUE(thread.knows(sent)) << "itself: " << sent;
  return thread.knows(other);
}

TEST(KnownTexts, OtherNumbersAreTheSame) {
  const std::string sent = "SELECT a FROM t WHERE b = 12 AND c = 3.5";
  for (const auto dialect : kDialects) {
    EXPECT_TRUE(knows(sent, "SELECT a FROM t WHERE b = 99 AND c = 4.1", dialect));
    EXPECT_TRUE(knows(sent, "SELECT a FROM t WHERE b = 1 AND c = 123456789.0", dialect));
    EXPECT_TRUE(
        knows(sent, "SELECT a FROM t WHERE b = 12345678 AND c = 1234567890123456.12345678901234567890", dialect));
    EXPECT_TRUE(knows("1 + 1", "22 + 333", dialect));
    EXPECT_TRUE(knows("SELECT 1e5, 0x1f", "SELECT 11e55, 0x22f", dialect));
  }
  EXPECT_TRUE(knows("SELECT $1, $2", "SELECT $11, $1"));
}

TEST(KnownTexts, OtherStringsAreTheSame) {
  const std::string sent = "SELECT a FROM t WHERE b = 'it' AND c = 'x'";
  for (const auto dialect : kDialects) {
    EXPECT_TRUE(knows(sent, "SELECT a FROM t WHERE b = 'or' AND c = 'y'", dialect));
    EXPECT_TRUE(knows(
        sent, "SELECT a FROM t WHERE b = '' AND c = 'a string of more than sixteen bytes -- 12 /* \xc3\xa4'", dialect));
  }
  EXPECT_TRUE(knows("SELECT E'it'", "SELECT E'is'"));
  EXPECT_TRUE(knows("SELECT \"it\"", "SELECT \"is not\"", OUTRIDER_SQL_MYSQL));
}

TEST(KnownTexts, WhatElseDiffersIsLookedAt) {
  for (const auto dialect : kDialects) {
    for (const char* other :
         {"SELECT b1 FROM t WHERE b = 12", "SELECT a2 FROM t WHERE b = 12", "SELECT a1 FROM t WHERE b = -12",
          "SELECT a1 FROM t WHERE b = x", "SELECT a1 FROM t WHERE b = 12a", "SELECT a1 FROM t WHERE b = 12 ",
          "SELECT a1 FROM t WHERE b = 12.5", "SELECT a1 FROM t WHERE b = ", "SELECT a1 FROM t WHERE b = '12'",
          "SELECT a1 FROM t WHERE b = 12;", "SELECT a1 FROM t WHERE b = 12 OR c", "SELECT a1 FROM t WHERE b",
          "SELECT a12 FROM t WHERE b = 2", "S", ""})
      EXPECT_FALSE(knows("SELECT a1 FROM t WHERE b = 12", other, dialect)) << other;
    for (const char* other :
         {"SELECT 'a''b' FROM t", "SELECT 'a\\b' FROM t", "SELECT 'a\\' FROM t", "SELECT 'ab", "SELECT 'a\"b' FROM t",
          "SELECT 'ab' FROM u", "SELECT 'ab\" FROM t", "SELECT \"ab\" FROM t", "SELECT 'ab'' FROM t"})
      EXPECT_FALSE(knows("SELECT 'ab' FROM t", other, dialect)) << other;
    EXPECT_FALSE(knows("SELECT /* 1 */ 1", "SELECT /* 2 */ 1", dialect));
  }
}

TEST(KnownTexts, WhatIsBehindManyLiteralsIsLookedAtAsItStands) {
  std::string sent = "SELECT 1";
  for (int i = 0; i < 16; ++i) sent += ", 1";
  std::string other = sent;
  other[7] = '2';
  EXPECT_TRUE(knows(sent, other));
  other.back() = '2';
  EXPECT_FALSE(knows(sent, other));
}

TEST(KnownTexts, ALongTextIsKnownToItsEnd) {
  std::string sent = "SELECT ";
  while (sent.size() < OUTRIDER_STATEMENT_TEXT - 12) sent += "abcdefgh, ";
  sent.resize(OUTRIDER_STATEMENT_TEXT - 2, ' ');
  std::string other = sent + "1";
  sent += "2";
  EXPECT_TRUE(knows(sent, other));
  other.back() = 'x';
  EXPECT_FALSE(knows(sent, other));
}

TEST(KnownTexts, AThreadThatSendsSeveralByTurnsIsFollowed) {
  Thread thread;
  const auto send_all = [&](int number) {
    int known = 0;
    for (const char* table : {"accounts", "tellers", "branches", "history", "pg_class"}) {
      known += thread.knows(fmt::format("UPDATE {} SET n = n + {}", table, number)) ? 1 : 0;
    }
    return known;
  };
  for (int i = 0; i < 40; ++i) send_all(i * 7);
  EXPECT_EQ(send_all(1), 5);
  EXPECT_EQ(send_all(123456), 5);
}

TEST(KnownTexts, MoreThanThereIsRoomForAreStillTakenForWhatTheyAre) {
  Thread thread;
  for (int i = 0; i < 3000; ++i) {
    const std::string name(static_cast<std::size_t>(1 + i * 37 % 700), 'a');
    thread.knows(fmt::format("SELECT {} FROM t{} WHERE a = {} AND b = '{}'", name, i % 23, i, i * 11));
  }
}

TEST(KnownTexts, WhateverIsSentIsTakenForWhatItIs) {
  std::mt19937 random(20261129);
  const std::string letters =
      "a1 2'\"\\-,.()e5$?`[]/*+;:xE0_#@!9\n\xc3\xa4"
      "in values ";
  const auto pick = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random); };
  int known = 0;
  for (int round = 0; round < 4000; ++round) {
    for (const auto dialect : kDialects) {
      Thread thread(dialect);
      std::string sent = "SELECT ";
      for (std::size_t i = 1 + pick(40); i > 0; --i) sent += letters[pick(letters.size())];
      thread.learn(sent);
      for (int change = 0; change < 20; ++change) {
        std::string other = sent;
        const std::size_t at = pick(other.size());
        other.replace(at, pick(3), std::string(pick(3), letters[pick(letters.size())]));
        known += thread.knows(other) ? 1 : 0;
      }
    }
  }
  EXPECT_GT(known, 1000);
}

}  // namespace
}  // namespace outrider
