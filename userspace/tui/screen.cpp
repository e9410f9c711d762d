#include "userspace/tui/screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "userspace/tui/header.h"
#include "userspace/tui/type_page.h"
#include "userspace/tui/type_table.h"
#include "userspace/tui/wait_bar.h"

namespace outrider {
namespace {

constexpr std::size_t kFooterLines = 2;

constexpr const char* kHelp[] = {
    "Up Down PgUp PgDn Home End   choose a type          Enter   its own page",
    "1 .. 8   sort by that column (again: reverse)       < >     sort by the next one",
    "r        reverse the order                          p       pause, and go on",
    "t        next target                                q Esc   back; q: quit",
    "",
    "COUNT/S  queries that ended, each second",
    "AVG P95 P99  response times; percentiles are within 1.6 %",
    "TIME%    share of the time of all types (a query inside another counts in both)",
    "ERR%     failed of those that ended          HIT%   hits of looks into the cache",
    "WAITS    where the time went, each class with the letter below:",
};

std::optional<WaitSeconds> waits_of(const View& view, const Board& board) {
  const BoardTarget* target = shown_target(view, board);
  if (target == nullptr || !target->snapshot) return std::nullopt;
  const QueryMetrics& queries = target->queries()->query_metrics;
  if (view.page != Page::kType) return queries.waits;
  const auto found = queries.query_type_breakdown.find(view.type);
  return found == queries.query_type_breakdown.end() ? std::nullopt : found->second.waits;
}

std::vector<Line> help(const View& view, const Board& board, std::size_t lines, std::size_t width) {
  std::vector<Line> page;
  page.reserve(lines);
  for (const char* text : kHelp) page.push_back(LineBuilder(width).add(text).take());
  for (Line& line : wait_legend(std::nullopt, width)) page.push_back(std::move(line));
  page.emplace_back();
  const BoardTarget* target = shown_target(view, board);
  if (target == nullptr || !target->snapshot) return page;
  // Why a figure is "-" above.
  for (const std::string& reason : target->snapshot->losses.unavailable) {
    if (page.size() >= lines) break;
    page.push_back(LineBuilder(width).add("- " + reason, Style::kDim).take());
  }
  return page;
}

Line keys(const View& view, std::size_t width) {
  const char* text = "q quit  ? help  p pause  t target  1-8 < > sort  r reverse  Enter one type";
  if (view.page == Page::kType) text = "q or Esc back  ? help  p pause  t target";
  if (view.page == Page::kHelp) text = "any key: back";
  return LineBuilder(width).add(text, Style::kDim).take();
}

Screen too_small(ScreenSize size) {
  const std::string text = fmt::format("outrider top needs {} x {}; this is {} x {}. q quits.", kLeastColumns,
                                       kLeastLines, size.columns, size.lines);
  Screen screen;
  // On several lines where the terminal is narrow.
  for (std::size_t i = 0; i < text.size() && screen.size() < size.lines && size.columns > 0; i += size.columns) {
    screen.push_back(LineBuilder(size.columns).add(text.substr(i, size.columns)).take());
  }
  return screen;
}

}  // namespace

Screen draw(View& view, const Board& board, const Series& series, ScreenSize size, bool unicode) {
  if (size.lines < kLeastLines || size.columns < kLeastColumns) return too_small(size);
  Screen screen = header(view, board, size.columns);
  const std::size_t lines = size.lines - kHeaderLines - kFooterLines;
  std::vector<Line> body;
  if (view.page == Page::kHelp) body = help(view, board, lines, size.columns);
  if (view.page == Page::kType) body = type_page(view, board, series, lines, size.columns, unicode);
  if (view.page == Page::kTable) body = type_table(view, board, lines, size.columns, unicode);
  std::move(body.begin(), body.end(), std::back_inserter(screen));
  screen.resize(size.lines - kFooterLines);
  const auto waits = waits_of(view, board);
  screen.push_back(waits && view.page != Page::kHelp ? wait_legend(waits, size.columns).front() : Line{});
  screen.push_back(keys(view, size.columns));
  return screen;
}

}  // namespace outrider
