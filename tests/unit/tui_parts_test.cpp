// What the screen is made of: lines that foreign names cannot break, figures as text, bars and sparklines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/unit/tui_board.h"
#include "userspace/model/wait_names.h"
#include "userspace/tui/figure_text.h"
#include "userspace/tui/series.h"
#include "userspace/tui/sparkline.h"
#include "userspace/tui/wait_bar.h"

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::Optional;

class TuiParts : public TuiTest {};

TEST_F(TuiParts, NamesAreShownAndNotExecuted) {
  EXPECT_EQ(printable("<script>"), "<script>");
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\x9b2J");  // CSI as one C1 character
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "gpj"),
            "\\u202egpj");                       // right-to-left override
  EXPECT_EQ(printable("\xff"), "\xEF\xBF\xBD");  // what is not UTF-8: the replacement character
  EXPECT_EQ(printable("übung 図"), "übung 図");
  EXPECT_EQ(width_of("übung 図"), 8U);
}

TEST_F(TuiParts, AnAsciiLocaleGetsAscii) {
  std::setlocale(LC_CTYPE, "C");
  EXPECT_EQ(printable("über"), "\\xfcber");
  EXPECT_EQ(printable("図"), "\\u56f3");
}

TEST_F(TuiParts, CutsToColumnsNotToBytes) {
  EXPECT_EQ(cut("aggregate", 9), "aggregate");
  EXPECT_EQ(cut("aggregate", 8), "aggrega~");
  EXPECT_EQ(cut("図図図", 5), "図図~");  // two columns each
  EXPECT_EQ(cut("図図図", 4), "図~");
  EXPECT_EQ(cut("ab", 0), "");
}

TEST_F(TuiParts, ALineNeverGrowsBeyondItsWidth) {
  LineBuilder line(10);
  line.left("ab", 4).right("7", 3, Style::kBad).add("defghi").add("more");
  EXPECT_EQ(text_of(line.take()), "ab    7de~");
}

TEST_F(TuiParts, FiguresAsText) {
  EXPECT_EQ(seconds_text(std::nullopt), "-");
  EXPECT_EQ(seconds_text(18.1e-6), "18.1 us");
  EXPECT_EQ(rate_text(0), "0");
  EXPECT_EQ(rate_text(0.25), "0.25");
  EXPECT_EQ(rate_text(37.52), "37.5");
  EXPECT_EQ(rate_text(123456.4), "123456");
  EXPECT_EQ(rate_text(1.25e6), "1.25M");
  EXPECT_EQ(percent_text(0.005), "0.50");
  EXPECT_EQ(percent_text(0.9994), "99.9");
  EXPECT_EQ(percent_text(0.9996), "100");
  EXPECT_EQ(percent_text(std::nullopt), "-");
  EXPECT_EQ(age_text(59.9), "59s");
  EXPECT_EQ(age_text(60), "1m");
  EXPECT_EQ(age_text(3600 * 2 + 300), "2h 5m");
  EXPECT_EQ(age_text(86400 * 4 + 3600 * 7), "4d 7h");
  EXPECT_EQ(age_text(-3), "0s");
  EXPECT_EQ(clock_text(1'700'000'000'042), "22:13:20");
}

TEST_F(TuiParts, DownTimeIsNotRoundedAway) {
  EXPECT_EQ(availability_text(0.99954), "99.954");
  EXPECT_EQ(availability_text(0.9999999), "99.999");  // 9 ms of a day
  EXPECT_EQ(availability_text(std::nextafter(1.0, 0.0)), "99.999");
  EXPECT_EQ(availability_text(1), "100");
  EXPECT_EQ(availability_text(0.999), "99.9");
  EXPECT_EQ(availability_text(0.9991), "99.91");  // in binary a little less
  EXPECT_EQ(availability_text(0.99), "99");
  EXPECT_EQ(availability_text(0.9899), "98.9");
  EXPECT_EQ(availability_text(0.5), "50.0");
  EXPECT_EQ(availability_text(0.05129), "5.12");
  EXPECT_EQ(availability_text(0), "0.00");
  EXPECT_EQ(availability_text(std::nullopt), "-");
}

TEST_F(TuiParts, FiguresOfHistoryInTheirUnits) {
  EXPECT_EQ(metric_text(1.26, "cores"), "1.26");
  EXPECT_EQ(metric_text(0.4, "cores"), "0.40");
  EXPECT_EQ(metric_text(2, "cores"), "2");
  EXPECT_EQ(metric_text(3.5, "queries"), "3.50");
  EXPECT_EQ(metric_text(12, "queries"), "12");
  EXPECT_EQ(metric_text(41.25, "count"), "41.25");
  EXPECT_EQ(metric_text(1'000'000, "count"), "1000000");
  EXPECT_EQ(metric_text(0.4, "percent"), "0.4 %");
  EXPECT_EQ(metric_text(0.015, "ratio"), "1.50 %");
  EXPECT_EQ(metric_text(0.0125, "seconds"), "12.5 ms");
  EXPECT_EQ(metric_text(12.34, "MiB"), "12.3 MiB");
  EXPECT_EQ(metric_text(148, "1/s"), "148.0");
  EXPECT_EQ(metric_text(std::nullopt, "cores"), "-");
}

std::string bar(const std::optional<WaitSeconds>& waits, std::size_t width) {
  LineBuilder line(80);
  add_wait_bar(line, waits, width);
  return text_of(line.take());
}

TEST_F(TuiParts, ABarIsFullAndTrueToAColumn) {
  WaitSeconds waits{};
  waits[OUTRIDER_WAIT_CPU] = 0.75;
  waits[OUTRIDER_WAIT_LOCK] = 0.25;
  EXPECT_EQ(bar(waits, 8), "ccccccll");
  EXPECT_EQ(bar(waits, 13), "cccccccccclll");  // 9.75 and 3.25
  waits[OUTRIDER_WAIT_LOCK] = 2.25;
  EXPECT_EQ(bar(waits, 8), "llllllcc");  // the largest first
  EXPECT_EQ(bar(std::nullopt, 8), "-");
  EXPECT_EQ(bar(WaitSeconds{}, 8), "-");
}

TEST_F(TuiParts, ThirteenEqualWaitsFillAnyWidth) {
  WaitSeconds waits{};
  waits.fill(1);
  for (const std::size_t width : {1U, 7U, 13U, 60U}) {
    const auto columns = wait_columns(waits, width);
    EXPECT_EQ(std::accumulate(columns.begin(), columns.end(), std::size_t{0}), width);
    const auto [least, most] = std::minmax_element(columns.begin(), columns.end());
    EXPECT_LE(*most - *least, 1U);
  }
}

TEST_F(TuiParts, EveryWaitHasALetterOfItsOwn) {
  std::string letters;
  for (const WaitClass& one : kWaitClasses) letters += one.letter;
  std::sort(letters.begin(), letters.end());
  EXPECT_EQ(std::unique(letters.begin(), letters.end()), letters.end());
  for (std::size_t i = 0; i < kWaitClasses.size(); ++i) {
    std::string name = kWaitClasses[i].name;
    if (name != "io_uring") std::replace(name.begin(), name.end(), ' ', '_');
    EXPECT_EQ(name, kWaitNames[i]);
  }
}

TEST_F(TuiParts, TheLegendNamesWhatIsThere) {
  WaitSeconds waits{};
  waits[OUTRIDER_WAIT_LOCK] = 1;
  waits[OUTRIDER_WAIT_CPU] = 0.1;
  EXPECT_EQ(text_of(wait_legend(waits, 80).front()), "c cpu  l lock");
  ASSERT_EQ(wait_legend(waits, 12).size(), 2U);
  EXPECT_EQ(text_of(wait_legend(waits, 12)[1]), "l lock");
  EXPECT_EQ(wait_legend(WaitSeconds{}, 80).size(), 1U);
}

TEST_F(TuiParts, SparklinesKnowZeroFromNothing) {
  EXPECT_THAT(sparkline({4.0, 8.0, std::nullopt, 0.0, 1.0}, 1, true), ElementsAre("▄█ ▁▁"));
  EXPECT_THAT(sparkline({4.0, 8.0, std::nullopt, 0.0, 1.0}, 1, false), ElementsAre(".# __"));
  EXPECT_THAT(sparkline({4.0, 8.0, 6.0}, 2, true), ElementsAre(" █▄", "███"));
  EXPECT_THAT(sparkline({}, 2, true), ElementsAre("", ""));
}

Board at_second(std::int64_t second, double rate, std::optional<double> p99) {
  Snapshot s = two_types();
  s.timestamp_ms = second * 1000 + 42;
  s.query_metrics.query_type_breakdown["path"].queries_per_second = rate;
  s.query_metrics.query_type_breakdown["path"].p99_response_time_seconds = p99;
  return board_of(std::move(s));
}

TEST_F(TuiParts, SeriesInStepsOfWholeSeconds) {
  Series series;
  series.add(at_second(6000, 10, 0.001));
  series.add(at_second(6001, 20, 0.005));
  series.add(at_second(6001, 99, 0.009));  // the same figures again
  series.add(at_second(6003, 30, std::nullopt));
  // 300 s in 100 columns: steps of 3 s, [6000, 6003) and [6003, 6006).
  const SeriesColumns columns = series.columns("engine", "path", 100);
  EXPECT_EQ(columns.step_seconds, 3);
  ASSERT_EQ(columns.p99_seconds.size(), 100U);
  EXPECT_THAT(columns.p99_seconds[98], Optional(0.005));
  EXPECT_THAT(columns.queries_per_second[98], Optional(15.0));
  EXPECT_EQ(columns.p99_seconds[99], std::nullopt);
  EXPECT_THAT(columns.queries_per_second[99], Optional(30.0));
  EXPECT_EQ(columns.queries_per_second[97], std::nullopt);
  EXPECT_TRUE(series.columns("engine", "nobody", 100).p99_seconds.empty());
}

TEST_F(TuiParts, SeriesForgetWhatIsOldAndWhatWasBeforeTheClockWasSetBack) {
  Series series;
  series.add(at_second(6000, 10, 0.001));
  series.add(at_second(6000 + Series::kKeptSeconds, 20, 0.002));
  const auto all = series.columns("engine", "path", 300);
  EXPECT_EQ(std::count_if(all.p99_seconds.begin(), all.p99_seconds.end(), [](auto v) { return v.has_value(); }), 1);
  series.add(at_second(3000, 30, 0.003));
  EXPECT_THAT(series.columns("engine", "path", 300).queries_per_second.back(), Optional(30.0));
}

TEST_F(TuiParts, ThePastGoesBeforeWhatWasSeen) {
  Series series;
  series.add(at_second(6000, 10, 0.001));
  const TypePast past{"engine", "path", {{5000, 1, 0.5}, {5990, 2, 0.002}, {5991, 3, std::nullopt}, {6000, 9, 0.9}}};
  series.add_past(past);
  series.add_past(past);  // again: nothing new
  series.add_past({"engine", "nobody", {{5990, 2, 0.002}}});
  const SeriesColumns columns = series.columns("engine", "path", 300);
  EXPECT_THAT(columns.queries_per_second[299], Optional(10.0));
  EXPECT_THAT(columns.queries_per_second[290], Optional(3.0));
  EXPECT_THAT(columns.p99_seconds[289], Optional(0.002));
  const auto& all = columns.queries_per_second;
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](auto v) { return v.has_value(); }), 3);
}

TEST_F(TuiParts, SeriesAreBounded) {
  Snapshot s = two_types();
  for (std::size_t i = 0; i < 5000; ++i) s.query_metrics.query_type_breakdown["t" + std::to_string(i)].count = 1;
  Series series;
  series.add(board_of(s));
  std::size_t kept = 0;
  for (const auto& [name, type] : s.query_metrics.query_type_breakdown) {
    kept += series.columns("engine", name, 80).p99_seconds.empty() ? 0 : 1;
  }
  EXPECT_EQ(kept, Series::kMostSeries);
}

}  // namespace
}  // namespace outrider
