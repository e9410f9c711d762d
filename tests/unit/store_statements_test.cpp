// What types say that are statements outlives a restart, and is forgotten with their last point.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/unit/store_points.h"
#include "userspace/store/database.h"

namespace outrider {
namespace {

constexpr const char* kType = "SELECT 0123456789ab";
constexpr const char* kText = "select a from t where b = ?";

class StoreStatements : public StoreTest {
 protected:
  /// A second in which a statement ran too.
  void add_statement(std::int64_t index, const std::string& type = kType, const char* text = kText) {
    Point point = make_second(index);
    add_query(point.types[type], kFastNs);
    store_->add(
        "engine", std::move(point),
        text == nullptr ? TypeTexts() : TypeTexts{{type, {std::make_shared<const std::string>(text), session_}}});
  }

  std::optional<std::string> text_of(const std::string& type) {
    const auto found = store_->statement(type);
    EXPECT_TRUE(found) << found.error().message;
    return found && *found ? std::optional((*found)->text ? *(*found)->text : "") : std::nullopt;
  }

  /// "user alice, database bench".
  std::string whose(const std::string& type) {
    const auto found = store_->statement(type);
    EXPECT_TRUE(found && *found);
    return found && *found && (*found)->session ? session_words(*(*found)->session) : "";
  }

  std::shared_ptr<const ClientSession> session_;

  std::int64_t count(const std::string& what) {
    const auto database = Database::open(options_.path, Database::Mode::kReadOnly, 1'000);
    EXPECT_TRUE(database) << database.error().message;
    return database->number("SELECT count(*) FROM " + what)->value_or(-1);
  }

  void run_sql(const char* sql) {
    auto database = Database::open(options_.path, Database::Mode::kReadWrite, 1'000);
    ASSERT_TRUE(database) << database.error().message;
    const Status done = database->execute(sql);
    ASSERT_TRUE(done) << done.error().message;
  }
};

TEST_F(StoreStatements, outlive_a_restart) {
  open();
  add_statement(0);
  flush_at(1);
  EXPECT_EQ(text_of(kType), kText);
  open();
  EXPECT_EQ(text_of(kType), kText);
  EXPECT_EQ(text_of("read"), std::nullopt);
  EXPECT_EQ(text_of("SELECT 000000000000"), std::nullopt);
  auto reader = Store::open_read_only(options_);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(*(*reader->statement(kType))->text, kText);
}

TEST_F(StoreStatements, and_whose_they_are) {
  open();
  session_ = std::make_shared<const ClientSession>(ClientSession{"bench", "alice", ""});
  add_statement(0);
  session_ = std::make_shared<const ClientSession>(ClientSession{"bench", "", ""});
  add_statement(0, "SELECT 000000000001");
  session_.reset();
  add_statement(0, "SELECT 000000000002");
  flush_at(1);
  open();
  EXPECT_EQ(whose(kType), "user alice, database bench");
  EXPECT_EQ(whose("SELECT 000000000001"), "database bench");
  EXPECT_EQ(whose("SELECT 000000000002"), "");
}

TEST_F(StoreStatements, a_store_that_did_not_know_whose_they_are_is_read_and_brought_up) {
  open();
  add_statement(0);
  flush_at(1);
  store_.reset();
  run_sql(
      "ALTER TABLE statement DROP COLUMN database; ALTER TABLE statement DROP COLUMN user; PRAGMA user_version = 2");
  auto reader = Store::open_read_only(options_);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader->statement(kType))->session, nullptr);
  open();
  EXPECT_EQ(text_of(kType), kText);
  session_ = std::make_shared<const ClientSession>(ClientSession{"bench", "alice", ""});
  add_statement(10);
  flush_at(11);
  EXPECT_EQ(whose(kType), "user alice, database bench");
}

TEST_F(StoreStatements, are_kept_when_they_become_known) {
  open();
  add_statement(0, kType, nullptr);
  flush_at(1);
  EXPECT_EQ(text_of(kType), std::nullopt);
  add_statement(1);
  flush_at(2);
  EXPECT_EQ(text_of(kType), kText);
}

TEST_F(StoreStatements, a_store_of_before_there_were_any_is_read_and_brought_up) {
  open();
  write(0, 10);
  store_.reset();
  run_sql("DROP TABLE statement; PRAGMA user_version = 1");
  auto reader = Store::open_read_only(options_);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_FALSE(*reader->statement("read"));
  open();
  add_statement(10);
  flush_at(11);
  EXPECT_EQ(text_of(kType), kText);
  const auto history = read(kStartMs, kStartMs + 11'000, 0, "read");
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->points.at(0).types.at("read").queries, 11U);
}

TEST_F(StoreStatements, are_forgotten_with_their_last_point) {
  constexpr std::int64_t kDaySeconds = 86'400;
  options_.tiers = {{1'000, 2 * kMinuteMs}, {kMinuteMs, 10 * 24 * kHourMs}};
  open();
  add_statement(0);
  for (std::int64_t day = 0; day < 9; ++day) {
    store_->add("engine", make_second(day * kDaySeconds));
    flush_at(day * kDaySeconds + 200);
  }
  EXPECT_EQ(text_of(kType), kText);  // the coarse tier has it
  for (std::int64_t day = 9; day < 14; ++day) {
    store_->add("engine", make_second(day * kDaySeconds));
    flush_at(day * kDaySeconds + 200);
    flush_at(day * kDaySeconds + 201);  // names are looked for in a write of their own
  }
  EXPECT_EQ(text_of(kType), std::nullopt);
  EXPECT_EQ(count("statement"), 0);
  EXPECT_EQ(count("name WHERE text LIKE 'SELECT %'"), 0);
  EXPECT_EQ(count("name WHERE text = 'read'"), 1);
  // The name is given anew, and means the same.
  add_statement(14 * kDaySeconds);
  flush_at(14 * kDaySeconds + 1);
  EXPECT_EQ(text_of(kType), kText);
}

TEST_F(StoreStatements, stay_while_points_bear_their_name_whatever_is_known_of_their_text) {
  constexpr std::int64_t kDaySeconds = 86'400;
  options_.tiers = {{1'000, 2 * kMinuteMs}, {kMinuteMs, kHourMs}};
  open();
  add_statement(0);
  for (std::int64_t day = 0; day < 6; ++day) {
    add_statement(day * kDaySeconds, kType, nullptr);
    flush_at(day * kDaySeconds + 1);
    flush_at(day * kDaySeconds + 2);
  }
  EXPECT_EQ(text_of(kType), kText);
  const auto history = read(kStartMs + 5 * kDaySeconds * 1'000, kStartMs + (5 * kDaySeconds + 1) * 1'000, 0, kType);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->points.at(0).types.at(kType).queries, 1U);
}

TEST_F(StoreStatements, take_a_share_of_the_file_and_no_more) {
  options_.max_bytes = 16 << 20;
  open();
  const std::string text(1'000, 'x');
  for (int batch = 0; batch < 40; ++batch) {
    for (int i = 0; i < 100; ++i)
      add_statement(batch, "SELECT " + std::to_string(100'000'000'000 + batch * 100 + i), text.c_str());
    flush_at(batch + 1);
  }
  EXPECT_GT(count("statement WHERE text <> ''"), 500);
  EXPECT_LE(count("statement WHERE text <> ''") * 1'100, (16 << 20) / 8 / 2);  // half of the limit is the log's
  EXPECT_EQ(count("statement"), 4'000);                                        // all of them can be forgotten some day
}

}  // namespace
}  // namespace outrider
