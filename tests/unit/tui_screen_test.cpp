// Whole screens of a board made by hand; the rows are written out by hand, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tui_board.h"
#include "userspace/tui/last_probed.h"
#include "userspace/tui/screen.h"

namespace outrider {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class TuiScreen : public TuiTest {
 protected:
  std::vector<std::string> lines(ScreenSize size = {24, 80}, bool unicode = true) {
    std::vector<std::string> texts;
    for (const Line& line : draw(view_, board_, series_, size, unicode)) {
      texts.push_back(text_of(line));
      EXPECT_LE(width_of(texts.back()), size.columns) << texts.back();
    }
    EXPECT_LE(texts.size(), size.lines);
    return texts;
  }

  View view_;
  Board board_ = board_of(two_types());
  Series series_;
};

TEST_F(TuiScreen, EightyByTwentyFour) {
  const auto screen = lines();
  ASSERT_EQ(screen.size(), 24U);
  EXPECT_EQ(screen[0], " outrider top  engine  http://127.0.0.1:9717" + std::string(27, ' ') + "22:13:20 ");
  EXPECT_EQ(screen[1], "running  health 85 of 100: -15 cpu usage 92.1 % > 80.0 %");
  EXPECT_EQ(screen[2], "150.0 queries/s (5m 148.0)  avg 2.67 ms  p95 12.5 ms  p99 20.0 ms  err 3.33 %");
  EXPECT_EQ(screen[3], "in flight 3  uptime 3h 12m  cpu 92.1 %  mem 3.10 %  hits 98.0 %");
  EXPECT_EQ(screen[4], "alerts none");
  EXPECT_EQ(screen[5], "costs 0.30 % of its cpu, 210 ns/query (full)  lost nothing  agent 1.25 % 40 MiB");
  EXPECT_EQ(screen[6], "");
  EXPECT_EQ(screen[7], " TYPE            COUNT/S▼TIME%     AVG     P95     P99  ERR%  HIT% WAITS");
  EXPECT_EQ(screen[8], ">path               50.0  75.0 6.00 ms 12.5 ms 20.0 ms  10.0     - ddddddddddddd");
  EXPECT_EQ(screen[9], " factual           100.0  25.0 1.00 ms 2.00 ms 3.00 ms  0.00  98.0 cccccccccclll");
  EXPECT_EQ(screen[10], "");
  EXPECT_EQ(screen[22], "c cpu  d disk  l lock");
  EXPECT_THAT(screen[23], StartsWith("q quit  ? help"));
}

TEST_F(TuiScreen, ATargetThatWasDownIsNotUpForAllOfTheDay) {
  Snapshot s = two_types();
  s.availability = Availability{"up", 1, 0.99954, 0.9999, 0};
  board_ = board_of(s);
  EXPECT_THAT(lines()[1], StartsWith("up  health 85 of 100"));
  EXPECT_EQ(lines()[3], "in flight 3  uptime 3h 12m  24h up 99.954 %  cpu 92.1 %  mem 3.10 %  hits 98.0 %");
}

TEST_F(TuiScreen, WhatTheChosenStatementSaysIsBelow) {
  Snapshot s = two_types();
  auto& types = s.query_metrics.query_type_breakdown;
  types["path"].statement = std::make_shared<const std::string>("select a from t where b = ?");
  types["path"].session = std::make_shared<const ClientSession>(ClientSession{"", "alice", ""});
  for (int i = 0; i < 30; ++i) types["z" + std::to_string(i)] = types["factual"];
  board_ = board_of(s);
  const auto screen = lines();
  EXPECT_THAT(screen[8], StartsWith(">path"));
  EXPECT_THAT(screen[20], StartsWith(" z"));
  EXPECT_EQ(screen[21], " user alice: select a from t where b = ?");
  EXPECT_EQ(screen[22], "c cpu  d disk  l lock");
  view_.row = 13;  // the last that fits, and no statement
  const auto other = lines();
  EXPECT_THAT(other[20], testing::AnyOf(StartsWith(">"), StartsWith(" z")));
  EXPECT_EQ(other[21], "");
}

TEST_F(TuiScreen, AWideOneHasRoomForNamesAndBars) {
  const auto screen = lines({50, 200}, false);
  ASSERT_EQ(screen.size(), 50U);
  EXPECT_THAT(screen[7], HasSubstr("COUNT/SvTIME%"));
  EXPECT_EQ(screen[8], ">path" + std::string(36, ' ') + "    50.0  75.0 6.00 ms 12.5 ms 20.0 ms  10.0     - " +
                           std::string(60, 'd'));
}

TEST_F(TuiScreen, TooSmallSaysSo) {
  EXPECT_THAT(lines({23, 80}), testing::ElementsAre("outrider top needs 80 x 24; this is 80 x 23. q quits."));
  EXPECT_EQ(lines({24, 79}).size(), 1U);
  EXPECT_EQ(lines({24, 20}).front(), "outrider top needs 8");
  EXPECT_TRUE(lines({0, 0}).empty());
}

TEST_F(TuiScreen, AHostileNameStaysInItsCell) {
  Snapshot s = two_types();
  s.query_metrics.query_type_breakdown["\x1b[2J<script>alert(1)</script>"] =
      s.query_metrics.query_type_breakdown["path"];
  board_ = board_of(s);
  EXPECT_THAT(lines()[8], StartsWith(">\\x1b[2J<script~    50.0  42.9"));
  view_.type = "\x1b[2J<script>alert(1)</script>";
  view_.page = Page::kType;
  EXPECT_EQ(lines()[7], "\\x1b[2J<script>alert(1)</script>");
  for (const std::string& line : lines()) {
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
}

TEST_F(TuiScreen, OneTypeOnItsOwnPage) {
  view_.page = Page::kType;
  view_.type = "factual";
  series_.add(board_);
  const auto screen = lines();
  ASSERT_EQ(screen.size(), 24U);
  EXPECT_EQ(screen[7], "factual");
  EXPECT_EQ(screen[8], "  count/s 100.0  time 25.0 %  since attach 1000 queries, 0 failed, 0 abandoned");
  EXPECT_EQ(screen[9], "  avg 1.00 ms  p95 2.00 ms  p99 3.00 ms  errors 0.00 %  cache hits 98.0 %");
  EXPECT_EQ(screen[10], "  WAITS             SUMMED    SHARE    A QUERY");
  // 75 and 25 ms, of 100 queries.
  EXPECT_THAT(screen[11], StartsWith("  c cpu            75.0 ms   75.0 %     750 us  cccc"));
  EXPECT_THAT(screen[12], StartsWith("  l lock           25.0 ms   25.0 %     250 us  llll"));
  EXPECT_EQ(screen[13], "  P99 over 5 min  highest 3.00 ms");
  EXPECT_THAT(screen, Contains("  COUNT/S over 5 min  highest 100.0"));
  EXPECT_EQ(screen[22], "c cpu  l lock");
  view_.type = "gone";
  EXPECT_EQ(lines()[8], "  There are no figures of this type now.");
}

TEST_F(TuiScreen, MoreWaitsThanLinesAreSummedUp) {
  Snapshot s = two_types();
  s.query_metrics.query_type_breakdown["path"].waits->fill(0.1);
  board_ = board_of(s);
  view_.page = Page::kType;
  view_.type = "path";
  EXPECT_THAT(lines(), Contains(StartsWith("    the rest        1.00 s   71.4 %")));  // 4 of 14 are shown
  EXPECT_THAT(lines({50, 200}), testing::Not(Contains(HasSubstr("the rest"))));
}

TEST_F(TuiScreen, LightModeHasNoWaitsAndSaysWhy) {
  Snapshot s = two_types();
  s.overhead.mode = "light";
  for (auto& [name, type] : s.query_metrics.query_type_breakdown) type.waits.reset();
  s.query_metrics.waits.reset();
  board_ = board_of(s);
  EXPECT_THAT(lines()[8], testing::EndsWith("     - (light)"));
  view_.page = Page::kType;
  view_.type = "path";
  EXPECT_THAT(lines(), Contains("  the probes are in light mode, which has no waits"));
}

TEST_F(TuiScreen, AlertsOfThisTargetAndHowManyElsewhere) {
  BoardAlert alert{"engine", "High Error Rate", "path", Severity::kCritical, board_.time_ms - 125'000, false, false};
  board_.alerts.push_back(alert);
  alert.target = "second";
  board_.alerts.push_back(alert);
  EXPECT_EQ(lines()[4], "alerts critical: High Error Rate of path, 2m  (1 of other targets)");
  board_.alerts[0].held = true;
  EXPECT_THAT(lines()[4], StartsWith("alerts held back critical:"));
  board_.no_alerts = "only `outrider run` judges";
  EXPECT_EQ(lines()[4], "alerts only `outrider run` judges");
}

TEST_F(TuiScreen, OldFiguresSaySoAndLossesToo) {
  board_.trouble = "GET http://127.0.0.1:9717: cannot connect";
  board_.trouble_since_ms = board_.time_ms - 12'000;
  Snapshot s = two_types();
  s.losses.counts = {{"unmatched_end", 0}, {"slots_full", 7}};
  board_.targets[0].snapshot = std::make_shared<const Snapshot>(s);
  view_.paused = true;
  const auto screen = lines({24, 100});
  EXPECT_EQ(screen[6], "OLD FIGURES for 12s: GET http://127.0.0.1:9717: cannot connect");
  EXPECT_THAT(screen[5], HasSubstr("  lost 7: slots_full 7  "));
  EXPECT_THAT(screen[0], testing::EndsWith("PAUSED 22:13:20 "));
}

TEST_F(TuiScreen, NothingYet) {
  board_.targets[0].snapshot = nullptr;
  EXPECT_EQ(lines()[1], "no figures yet");
  EXPECT_EQ(lines()[8], " There are no figures of this target yet.");
  board_.targets[0].error = "no process of that name";
  EXPECT_EQ(lines()[1], "not attached: no process of that name");
  board_.targets.clear();
  EXPECT_EQ(lines()[1], "nothing is watched");
  Snapshot s = two_types();
  s.query_metrics.query_type_breakdown.clear();
  s.target_metrics.thread_count.reset();
  board_ = board_of(s);
  EXPECT_EQ(lines()[8], " No query has ended yet.");
  EXPECT_THAT(lines()[1], StartsWith("no process  health"));
}

TEST_F(TuiScreen, HelpNamesEveryWaitAndWhatCannotBeHad) {
  Snapshot s = two_types();
  s.losses.unavailable = {"target_metrics.disk_usage: it writes to none"};
  board_ = board_of(s);
  view_.page = Page::kHelp;
  const auto screen = lines({24, 200});
  EXPECT_THAT(screen, Contains(HasSubstr("r run queue  d disk  f page fault  l lock  s sync  n network  p poll")));
  EXPECT_THAT(screen, Contains("- target_metrics.disk_usage: it writes to none"));
}

TEST_F(TuiScreen, NothingOfHelpIsCutAtEightyColumns) {
  view_.page = Page::kHelp;
  const auto screen = lines();
  for (std::size_t i = 7; i < screen.size(); ++i) EXPECT_THAT(screen[i], testing::Not(testing::EndsWith("~")));
  EXPECT_THAT(screen, Contains(HasSubstr("o other  ? unattributed")));
}

TEST_F(TuiScreen, WhatTheBudgetPausesIsShownAsItLastWas) {
  LastProbed last;
  last.fill(board_);
  EXPECT_EQ(board_.targets[0].probed, nullptr);
  Snapshot paused = two_types();
  paused.timestamp_ms += 3000;
  paused.overhead.mode = "paused";
  paused.query_metrics.avg_response_time_seconds.reset();
  for (auto& [name, type] : paused.query_metrics.query_type_breakdown) type.avg_response_time_seconds.reset();
  board_ = board_of(paused);
  last.fill(board_);
  const auto screen = lines({24, 100});
  EXPECT_THAT(screen[0], testing::EndsWith("22:13:23 "));
  EXPECT_THAT(screen[2], testing::EndsWith("avg 2.67 ms  p95 12.5 ms  p99 20.0 ms  err 3.33 %"));
  EXPECT_THAT(screen[5], HasSubstr("(paused: figures of 22:13:20)"));
  EXPECT_THAT(screen[8], StartsWith(">path"));
  EXPECT_THAT(screen[8], HasSubstr("75.0 6.00 ms 12.5 ms"));
  EXPECT_THAT(screen[8], HasSubstr("dddd"));
  // Of a target that never had probes on there is nothing older.
  LastProbed none;
  board_ = board_of(paused);
  none.fill(board_);
  EXPECT_THAT(lines()[2], HasSubstr("avg -"));
}

TEST_F(TuiScreen, TwoThousandTypesFitIntoTheirLines) {
  Snapshot s = two_types();
  for (int i = 0; i < 2000; ++i) s.query_metrics.query_type_breakdown["t" + std::to_string(i)].count = 1;
  board_ = board_of(s);
  EXPECT_EQ(lines().size(), 24U);
  press(view_, {Key::kEnd}, board_);
  EXPECT_THAT(lines()[21], StartsWith(">"));
}

}  // namespace
}  // namespace outrider
