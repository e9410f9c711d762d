// A text that has the shape of a known one is not looked at, and must be of the same statement: the machine that looks
// at texts whole (userspace/model/statement.h) says whether it is.
#include "tests/known_texts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
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

  [[nodiscard]] known_texts* texts() const { return texts_.get(); }

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
  while (sent.size() < OUTRIDER_STATEMENT_TEXT - 13) sent += "abcdefgh, ";
  sent.resize(OUTRIDER_STATEMENT_TEXT - 3, ' ');
  std::string other = sent + "1";
  sent += "2";
  EXPECT_TRUE(knows(sent, other));
  other.back() = 'x';
  EXPECT_FALSE(knows(sent, other));

  sent = other = "SELECT 1";
  for (int i = 0; i < 15; ++i) {
    sent += ", 'x'";
    other += ", '" + std::string(60, 'y') + "'";
  }
  EXPECT_TRUE(knows(sent, other)) << "as many turns as there may be";
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

TEST(KnownTexts, OneThatIsSentAgainInPlaceOfTheNextIsGuessedToo) {
  Thread thread;
  thread.learn("SELECT a");
  thread.learn("SELECT b");
  thread.knows("SELECT a");
  EXPECT_TRUE(thread.knows("SELECT a")) << "not b, as the last time";
}

TEST(KnownTexts, ABackslashInTheTextThatWasLearntStaysWhereItIs) {
  for (const auto dialect : kDialects) {
    // To SQLite it is a character like any other, and both are one statement.
    EXPECT_EQ(knows(R"(SELECT '\n' FROM t)", R"(SELECT '\' FROM t)", dialect), dialect == OUTRIDER_SQL_SQLITE);
    EXPECT_FALSE(knows(R"(SELECT 'a\n' FROM t)", R"(SELECT 'an' FROM t)", dialect));
    EXPECT_TRUE(knows(R"(SELECT 'a\nb' FROM t)", R"(SELECT 'xyz\n' FROM t)", dialect));
  }
}

TEST(KnownTexts, WhatALongerTextLeftBehindAShortOneIsNoPartOfIt) {
  Thread thread;
  thread.learn("SELECT 'xy' FROM t");
  thread.knows("SELECT 'ab" + std::string(16, 'z') + "' FROM t");
  EXPECT_FALSE(thread.knows("SELECT 'ab"));
}

TEST(KnownTexts, SeveralShapesOfOneStatementAreKept) {
  Thread thread;
  const std::string list = "SELECT a FROM t WHERE b IN (1, 2";
  for (const char* more : {")", ", 3)", ", 3, 4)"}) thread.learn(list + more);
  int known = 0;
  for (int i = 0; i < 100; ++i) known += thread.knows(list + fmt::format(", 3, 4, 5, {})", i * 37)) ? 1 : 0;
  EXPECT_GT(known, 75) << "learnt with the sixteenth at the latest";
}

TEST(KnownTexts, WhatTheTablesSayOfDigitsAndStringsAllowsIt) { EXPECT_TRUE(known_texts_may_be_known()); }

/// Texts as they come of tokens, most of them no statement at all.
class Tokens {
 public:
  std::string text(std::size_t most) {
    std::string text = "SELECT ";
    for (std::size_t i = 1 + pick(most); i > 0; --i) text += token();
    return text;
  }
  std::string changed(std::string text) {
    for (std::size_t i = 1 + pick(3); i > 0; --i) {
      const std::size_t at = pick(text.size());
      text.replace(at, pick(3), pick(2) == 0 ? token() : std::string(pick(3), kDigits.at(pick(kDigits.size()))));
    }
    return text;
  }
  std::size_t pick(std::size_t below) { return random_() % below; }

 private:
  std::string token() {
    static const std::vector<std::string> kTokens = {
        "1",       "23",  ".5",    "1e5",   "0x1f",      "$1",   "?",     "?2", ":a",      "'",  "'x'",     "''",
        "'it''s'", "\"",  "\"q\"", "\\",    "`n`",       "--",   "/*",    "*/", "\n",      "- ", "+",       "-",
        "(",       ")",   ", ",    " IN (", " VALUES (", "), (", " AND ", " a", "b1",      "E'", "x'1f'",   "_utf8'",
        "$$",      "$t$", ";",     "#",     "@v",        "[c]",  "!",     "=",  " LIMIT ", " ",  "\xc3\xa4"};
    return kTokens[pick(kTokens.size())];
  }

  static constexpr std::string_view kDigits = "0123456789'\"\\ex";
  std::mt19937 random_{20261129};
};

TEST(KnownTexts, WhateverIsSentIsTakenForWhatItIs) {
  Tokens tokens;
  int known = 0;
  for (int round = 0; round < 4000; ++round) {
    for (const auto dialect : kDialects) {
      Thread thread(dialect);
      const std::string sent = tokens.text(12);
      thread.learn(sent);
      for (int change = 0; change < 20; ++change) known += thread.knows(tokens.changed(sent)) ? 1 : 0;
    }
  }
  EXPECT_GT(known, 10000);
}

// Shapes are overwritten while others of other sizes stay, and guesses are of what is there no more. What is sent is
// made of few blocks of the size of a piece, so that half of one text and half of another may be a third.
TEST(KnownTexts, MoreThanThereIsRoomForAreTakenForWhatTheyAre) {
  constexpr std::size_t kPiece = 128;
  Tokens tokens;
  std::vector<std::string> blocks;
  for (int i = 0; i < 4; ++i) {
    std::string block;
    while (block.size() < kPiece - 12)
      block += i % 2 == 0 ? fmt::format(" AND a{} = {}", i, 10 + block.size())
                          : fmt::format(" OR b{} = 'x{}'", i, 10 + block.size());
    block.resize(kPiece, ' ');
    blocks.push_back(block);
  }
  Thread thread;
  int known = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string sent;
    for (std::size_t size = 1 + tokens.pick(4); size > 0; --size) sent += blocks[tokens.pick(blocks.size())];
    sent.resize(sent.size() - tokens.pick(3) * kPiece / 2);
    if (tokens.pick(4) == 0) known_texts_learn_next(thread.texts());
    known += thread.knows(sent) ? 1 : 0;
  }
  EXPECT_GT(known, 200);
}

}  // namespace
}  // namespace outrider
