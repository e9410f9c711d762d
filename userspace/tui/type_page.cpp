#include "userspace/tui/type_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>

#include "userspace/model/statement.h"
#include "userspace/tui/figure_text.h"
#include "userspace/tui/sparkline.h"
#include "userspace/tui/wait_bar.h"

namespace outrider {
namespace {

using Values = std::vector<std::optional<double>>;

constexpr std::size_t kLeastWaits = 3;  // on the lowest screen
constexpr std::size_t kMostChartRows = 8;
constexpr std::size_t kChartMargin = 2;

Line rates(const TypeRow& row, std::size_t width) {
  const TypeMetrics& type = row.figures;
  LineBuilder line(width);
  line.add("  count/s ", Style::kDim).add(rate_text(type.queries_per_second), Style::kStrong);
  line.add("  time ", Style::kDim).add(percent_text(row.share)).add(row.share ? " %" : "");
  line.add("  since attach ", Style::kDim).add(fmt::format("{} queries, ", type.count));
  line.add(fmt::format("{} failed", type.failed), type.failed > 0 ? Style::kBad : Style::kPlain);
  line.add(fmt::format(", {} abandoned", type.abandoned), type.abandoned > 0 ? Style::kWarn : Style::kPlain);
  return line.take();
}

Line percentiles(const TypeRow& row, std::size_t width) {
  const TypeMetrics& type = row.figures;
  LineBuilder line(width);
  line.add("  avg ", Style::kDim).add(seconds_text(type.avg_response_time_seconds));
  line.add("  p95 ", Style::kDim).add(seconds_text(type.p95_response_time_seconds), Style::kStrong);
  line.add("  p99 ", Style::kDim).add(seconds_text(type.p99_response_time_seconds), Style::kStrong);
  line.add("  errors ", Style::kDim).add(percent_text(row.error_rate)).add(row.error_rate ? " %" : "");
  line.add("  cache hits ", Style::kDim).add(percent_text(type.cache_hit_rate)).add(type.cache_hit_rate ? " %" : "");
  return line.take();
}

Line wait_row(const WaitSeconds& waits, std::size_t i, double sum, const TypeMetrics& type, std::size_t width) {
  LineBuilder line(width);
  line.add(fmt::format("  {} ", kWaitClasses[i].letter), wait_style(i)).left(kWaitClasses[i].name, 13);
  line.right(seconds_text(waits[i]), 9).right(percent_text(waits[i] / sum) + " %", 9);
  const bool counted = type.interval_count > 0;
  line.right(counted ? seconds_text(waits[i] / static_cast<double>(type.interval_count)) : "-", 11);
  const std::size_t room = line.room() > 3 ? line.room() - 3 : 0;
  const auto bar = static_cast<std::size_t>(waits[i] / sum * static_cast<double>(std::min<std::size_t>(room, 60)));
  line.add("  ").add(std::string(bar, kWaitClasses[i].letter), wait_style(i));
  return line.take();
}

// The largest ones as lines, and what the rest comes to.
std::vector<Line> wait_lines(const TypeMetrics& type, const std::string& mode, std::size_t most, std::size_t width) {
  std::vector<Line> lines;
  LineBuilder heading(width);
  heading.left("  WAITS", 17, Style::kStrong).right("SUMMED", 9, Style::kStrong).right("SHARE", 9, Style::kStrong);
  lines.push_back(heading.right("A QUERY", 11, Style::kStrong).take());
  if (!type.waits || waits_by_share(*type.waits).empty()) {
    const std::string why = mode == "full" || mode.empty() ? "no query ended in this interval"
                                                           : "the probes are in " + mode + " mode, which has no waits";
    lines.push_back(LineBuilder(width).add("  " + why, Style::kDim).take());
    return lines;
  }
  std::vector<std::size_t> order = waits_by_share(*type.waits);
  const double sum = std::accumulate(type.waits->begin(), type.waits->end(), 0.0);
  double rest = 0;
  while (order.size() > most) {
    rest += (*type.waits)[order.back()];
    order.pop_back();
  }
  lines.reserve(order.size() + 2);
  for (const std::size_t i : order) lines.push_back(wait_row(*type.waits, i, sum, type, width));
  if (rest > 0) {
    LineBuilder line(width);
    line.add("    the rest     ", Style::kDim).right(seconds_text(rest), 9).right(percent_text(rest / sum) + " %", 9);
    lines.push_back(line.take());
  }
  return lines;
}

template <typename Text>
std::vector<Line> chart(const std::string& title, const Values& values, Text&& text, std::size_t rows,
                        std::size_t width, bool unicode) {
  double most = 0;
  bool any = false;
  for (const auto& value : values) {
    most = std::max(most, value.value_or(0));
    any = any || value.has_value();
  }
  std::vector<Line> lines;
  lines.reserve(rows + 1);
  lines.push_back(LineBuilder(width)
                      .add("  " + title, Style::kStrong)
                      .add(any ? fmt::format("  highest {}", text(most)) : "  no history yet", Style::kDim)
                      .take());
  for (const std::string& row : sparkline(values, rows, unicode)) {
    lines.push_back(LineBuilder(width).add(std::string(kChartMargin, ' ')).add(row, Style::kGood).take());
  }
  return lines;
}

void append(std::vector<Line>& lines, std::vector<Line>&& more) {
  std::move(more.begin(), more.end(), std::back_inserter(lines));
}

}  // namespace

std::vector<Line> type_page(const View& view, const Board& board, const Series& series, std::size_t lines,
                            std::size_t width, bool unicode) {
  std::vector<Line> page = {LineBuilder(width).add(view.type, Style::kTitle).take()};
  const std::vector<TypeRow> rows = shown_rows(view, board);
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const TypeRow& row) { return row.name == view.type; });
  if (found == rows.end()) {
    page.push_back(LineBuilder(width).add("  There are no figures of this type now.", Style::kDim).take());
    return page;
  }
  if (found->figures.statement) {
    page.push_back(LineBuilder(width)
                       .add("  ")
                       .add(whose(found->figures.session) + *found->figures.statement, Style::kDim)
                       .take());
  }
  const Snapshot& snapshot = *shown_target(view, board)->queries();
  page.push_back(rates(*found, width));
  page.push_back(percentiles(*found, width));
  // Two charts with a title each; what they leave is for the waits, their heading and the line of the rest.
  const std::size_t fixed = page.size() + 2 + 2;
  const std::size_t room = lines - std::min(lines, fixed);
  const std::size_t waits = std::clamp(room / 2, kLeastWaits, std::size_t{OUTRIDER_WAIT_CLASSES});
  append(page, wait_lines(found->figures, snapshot.overhead.mode, waits, width));
  const std::size_t left = lines - std::min(lines, page.size() + 2);
  const std::size_t chart_rows = std::clamp<std::size_t>(left / 2, 1, kMostChartRows);
  const SeriesColumns columns = series.columns(snapshot.target, view.type, width - std::min(width, 2 * kChartMargin));
  const std::string span = fmt::format("over {} min", Series::kKeptSeconds / 60);
  append(page,
         chart(
             "P99 " + span, columns.p99_seconds, [](double v) { return seconds_text(v); }, chart_rows, width, unicode));
  append(page, chart("COUNT/S " + span, columns.queries_per_second, rate_text, chart_rows, width, unicode));
  page.resize(std::min(page.size(), lines));
  return page;
}

}  // namespace outrider
