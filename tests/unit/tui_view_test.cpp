// Order of the types, the selection, and what keys do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tui_board.h"
#include "userspace/tui/view.h"

namespace outrider {
namespace {

using testing::ElementsAre;

class TuiView : public TuiTest {};

TypeMetrics type(double rate, std::optional<double> average, std::optional<double> success,
                 std::optional<double> hits) {
  TypeMetrics figures;
  figures.count = 1;
  figures.queries_per_second = rate;
  figures.avg_response_time_seconds = average;
  figures.success_rate = success;
  figures.cache_hit_rate = hits;
  return figures;
}

Board four_types() {
  Snapshot s;
  s.target = "engine";
  s.query_metrics.query_type_breakdown = {{"a", type(10, 0.1, 1.0, 0.5)},                   // 1 s each second
                                          {"b", type(100, 0.03, 0.5, std::nullopt)},        // 3 s
                                          {"c", type(0, std::nullopt, std::nullopt, 0.9)},  // nothing now
                                          {"d", type(100, 0.06, 0.9, 0.1)}};                // 6 s
  return board_of(s);
}

std::string order(const View& view, const Board& board) {
  std::string names;
  for (const TypeRow& row : shown_rows(view, board)) names += row.name;
  return names;
}

bool press_character(View& view, char character, const Board& board) {
  return press(view, {Key::kCharacter, character}, board);
}

TEST_F(TuiView, SharesAreOfTheTimeOfAllTypes) {
  const Board board = four_types();
  const auto rows = shown_rows(View{}, board);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_DOUBLE_EQ(*rows[0].share, 0.6);
  EXPECT_DOUBLE_EQ(*rows[1].share, 0.3);
  EXPECT_DOUBLE_EQ(*rows[2].share, 0.1);
  EXPECT_DOUBLE_EQ(*rows[3].share, 0.0);
}

TEST_F(TuiView, OnlyTypesThatWereSeen) {
  const auto rows = type_rows(two_types());
  ASSERT_EQ(rows.size(), 2U);  // `other` never was
  EXPECT_EQ(rows[0].name, "factual");
  EXPECT_DOUBLE_EQ(*rows[1].error_rate, 1 - 0.9);
}

TEST_F(TuiView, EachColumnSortsAndSortsBack) {
  const Board board = four_types();
  View view;
  const std::pair<char, std::pair<const char*, const char*>> expected[] = {
      {'1', {"abcd", "dcba"}},  // name
      {'2', {"bdac", "cabd"}},  // rate; b and d are equal
      {'4', {"adbc", "bdac"}},  // average; c has none and comes last
      {'7', {"bdac", "adbc"}},  // errors: a 0, b 0.5, d 0.1
      {'8', {"dacb", "cadb"}},  // hits, the worst first; b has none
      {'3', {"dbac", "cabd"}},  // share
  };
  for (const auto& [key, orders] : expected) {
    press_character(view, key, board);
    EXPECT_EQ(order(view, board), orders.first) << key;
    press_character(view, key, board);
    EXPECT_EQ(order(view, board), orders.second) << key;
  }
  press_character(view, 'r', board);
  EXPECT_EQ(order(view, board), "dbac");
  press_character(view, '>', board);
  EXPECT_EQ(view.sort, TypeColumn::kAverage);
  press_character(view, '<', board);
  press_character(view, '<', board);
  EXPECT_EQ(view.sort, TypeColumn::kRate);
  view.sort = TypeColumn::kName;
  press_character(view, '<', board);
  EXPECT_EQ(view.sort, TypeColumn::kHits);
}

TEST_F(TuiView, TheSelectionStaysOnItsType) {
  Board board = four_types();
  View view;
  view.visible_rows = 4;
  press(view, {Key::kDown}, board);  // d b a c
  EXPECT_EQ(view.selected, "b");
  press_character(view, '1', board);
  auto rows = shown_rows(view, board);
  settle(view, rows);
  EXPECT_EQ(view.row, 1U);
  press_character(view, '1', board);  // d c b a
  rows = shown_rows(view, board);
  settle(view, rows);
  EXPECT_EQ(view.row, 2U);
  // It is gone: what is there now has its place.
  rows.erase(rows.begin() + 2);
  rows.pop_back();
  settle(view, rows);
  EXPECT_EQ(view.row, 1U);
  settle(view, {});
  EXPECT_EQ(view.row, 0U);
}

TEST_F(TuiView, ScrollsWithTheSelection) {
  Snapshot s;
  s.target = "engine";
  for (int i = 0; i < 2000; ++i) s.query_metrics.query_type_breakdown["t" + std::to_string(10'000 + i)].count = 1;
  const Board board = board_of(std::move(s));
  View view;
  view.sort = TypeColumn::kName;
  view.visible_rows = 10;
  press(view, {Key::kPageDown}, board);
  EXPECT_EQ(view.row, 10U);
  EXPECT_EQ(view.first_row, 1U);
  press(view, {Key::kEnd}, board);
  EXPECT_EQ(view.selected, "t11999");
  EXPECT_EQ(view.first_row, 1990U);
  press(view, {Key::kDown}, board);
  EXPECT_EQ(view.row, 1999U);
  press(view, {Key::kPageUp}, board);
  EXPECT_EQ(view.row, 1989U);
  EXPECT_EQ(view.first_row, 1989U);
  press(view, {Key::kHome}, board);
  EXPECT_EQ(view.first_row, 0U);
  press(view, {Key::kUp}, board);
  EXPECT_EQ(view.row, 0U);
}

TEST_F(TuiView, EnterGoesInAndQComesOutAgain) {
  const Board board = four_types();
  View view;
  press(view, {Key::kEnter}, board);
  EXPECT_EQ(view.page, Page::kType);
  EXPECT_EQ(view.type, "d");
  press_character(view, '?', board);
  EXPECT_EQ(view.page, Page::kHelp);
  EXPECT_FALSE(press_character(view, 'q', board));  // leaves help
  EXPECT_EQ(view.page, Page::kType);
  EXPECT_FALSE(press_character(view, 'q', board));
  EXPECT_EQ(view.page, Page::kTable);
  EXPECT_FALSE(press(view, {Key::kBack}, board));
  EXPECT_TRUE(press_character(view, 'q', board));
}

TEST_F(TuiView, EnterOnNothingStays) {
  View view;
  press(view, {Key::kEnter}, Board{});
  press(view, {Key::kDown}, Board{});
  press_character(view, 't', Board{});
  EXPECT_EQ(view.page, Page::kTable);
}

TEST_F(TuiView, TTakesTheNextTargetAndWraps) {
  Board board = four_types();
  board.targets.push_back({"second", "", nullptr});
  View view;
  press(view, {Key::kEnter}, board);
  press_character(view, 't', board);
  EXPECT_EQ(shown_target(view, board)->name, "second");
  EXPECT_EQ(view.page, Page::kTable);
  EXPECT_TRUE(shown_rows(view, board).empty());
  press_character(view, 't', board);
  EXPECT_EQ(shown_target(view, board)->name, "engine");
  view.target = "gone";
  EXPECT_EQ(shown_target(view, board)->name, "engine");
}

TEST_F(TuiView, PPausesAndGoesOn) {
  View view;
  press_character(view, 'p', four_types());
  EXPECT_TRUE(view.paused);
  press_character(view, 'p', four_types());
  EXPECT_FALSE(view.paused);
}

}  // namespace
}  // namespace outrider
