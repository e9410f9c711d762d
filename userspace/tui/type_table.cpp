#include "userspace/tui/type_table.h"

#include <algorithm>
#include <array>
#include <string>

#include "userspace/model/statement.h"
#include "userspace/tui/figure_text.h"
#include "userspace/tui/wait_bar.h"

namespace outrider {
namespace {

constexpr std::size_t kLeastName = 15;
constexpr std::size_t kMostName = 40;
constexpr std::size_t kMostBar = 60;

struct Column {
  const char* title;
  std::size_t width;
};

// By TypeColumn, but for the name.
constexpr std::array<Column, kTypeColumns> kColumns = {
    {{"TYPE", 0}, {"COUNT/S", 7}, {"TIME%", 5}, {"AVG", 7}, {"P95", 7}, {"P99", 7}, {"ERR%", 5}, {"HIT%", 5}}};

std::size_t figures_width() {
  std::size_t width = 0;
  for (const Column& column : kColumns) width += column.width + (column.width > 0 ? 1 : 0);
  return width;
}

// A third of what the figures leave.
std::size_t name_width(std::size_t width) {
  const std::size_t room = width - std::min(width, figures_width());
  return std::clamp(room / 3, kLeastName, kMostName);
}

Line heading(const View& view, std::size_t width, bool unicode) {
  LineBuilder line(width);
  const bool name_or_hits = view.sort == TypeColumn::kName || view.sort == TypeColumn::kHits;
  const bool falling = name_or_hits == view.reversed;
  const std::string mark = falling ? (unicode ? "▼" : "v") : (unicode ? "▲" : "^");
  const auto by = static_cast<std::size_t>(view.sort);
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    const Style style = i == by ? Style::kTitle : Style::kStrong;
    const std::string title = i == by ? mark + kColumns[i].title : kColumns[i].title;
    if (i == 0) {
      line.left(" " + title, name_width(width) + 1, style);
    } else {
      // The gap in front is the mark's.
      line.right(title, kColumns[i].width + 1, style);
    }
  }
  return line.add(" WAITS", Style::kStrong).take();
}

Line table_row(const TypeRow& row, bool selected, const std::string& mode, std::size_t width) {
  const TypeMetrics& type = row.figures;
  const Style style = type.queries_per_second > 0 ? Style::kPlain : Style::kDim;
  const std::string cells[] = {rate_text(type.queries_per_second),
                               percent_text(row.share),
                               seconds_text(type.avg_response_time_seconds),
                               seconds_text(type.p95_response_time_seconds),
                               seconds_text(type.p99_response_time_seconds),
                               percent_text(row.error_rate),
                               percent_text(type.cache_hit_rate)};
  LineBuilder line(width);
  line.add(selected ? ">" : " ").left(row.name, name_width(width), style);
  for (std::size_t i = 1; i < kColumns.size(); ++i) {
    const bool failing = i == static_cast<std::size_t>(TypeColumn::kErrors) && row.error_rate.value_or(0) > 0;
    line.add(" ").right(cells[i - 1], kColumns[i].width, failing ? Style::kBad : style);
  }
  line.add(" ");
  if (!type.waits && mode != "full") {
    line.add("(" + mode + ")", Style::kDim);
  } else {
    add_wait_bar(line, type.waits, std::min(line.room(), kMostBar));
  }
  Line done = line.take();
  done.selected = selected;
  return done;
}

std::string why_empty(const BoardTarget* target) {
  if (target == nullptr) return "The service watches nothing: its configuration names no target.";
  if (!target->snapshot) return "There are no figures of this target yet.";
  return "No query has ended yet.";
}

}  // namespace

std::vector<Line> type_table(View& view, const Board& board, std::size_t lines, std::size_t width, bool unicode) {
  const std::vector<TypeRow> rows = shown_rows(view, board);
  const auto is_statement = [](const TypeRow& row) { return row.figures.statement != nullptr; };
  const std::size_t below = std::any_of(rows.begin(), rows.end(), is_statement) ? 1 : 0;
  view.visible_rows = lines - std::min<std::size_t>(lines, 1 + below);
  settle(view, rows);
  std::vector<Line> table = {heading(view, width, unicode)};
  if (rows.empty()) {
    table.push_back(LineBuilder(width).add(" " + why_empty(shown_target(view, board)), Style::kDim).take());
    return table;
  }
  const std::string& mode = shown_target(view, board)->queries()->overhead.mode;
  const std::size_t end = std::min(rows.size(), view.first_row + view.visible_rows);
  table.reserve(end - view.first_row + 1);
  for (std::size_t i = view.first_row; i < end; ++i) table.push_back(table_row(rows[i], i == view.row, mode, width));
  if (below == 0) return table;
  // At the foot: what the chosen one says.
  table.resize(lines - below);
  const TypeMetrics& figures = rows[view.row].figures;
  table.push_back(
      figures.statement ? LineBuilder(width).add(" ").add(whose(figures.session) + *figures.statement).take() : Line{});
  return table;
}

}  // namespace outrider
