#include "userspace/tui/wait_bar.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace outrider {

const std::array<WaitClass, OUTRIDER_WAIT_CLASSES> kWaitClasses = {{{'c', "cpu"},
                                                                    {'r', "run queue"},
                                                                    {'d', "disk"},
                                                                    {'f', "page fault"},
                                                                    {'l', "lock"},
                                                                    {'s', "sync"},
                                                                    {'n', "network"},
                                                                    {'p', "poll"},
                                                                    {'z', "sleep"},
                                                                    {'i', "ipc"},
                                                                    {'u', "io_uring"},
                                                                    {'o', "other"},
                                                                    {'?', "unattributed"},
                                                                    {'t', "throttled"}}};

std::vector<std::size_t> waits_by_share(const WaitSeconds& waits) {
  std::vector<std::size_t> order(waits.size());
  std::iota(order.begin(), order.end(), 0U);
  std::erase_if(order, [&](std::size_t i) { return waits[i] <= 0; });
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return waits[a] > waits[b]; });
  return order;
}

// Each class its whole columns, and what is left over to those with the largest rests: none is more than a column off.
std::array<std::size_t, OUTRIDER_WAIT_CLASSES> wait_columns(const WaitSeconds& waits, std::size_t width) {
  std::array<std::size_t, OUTRIDER_WAIT_CLASSES> columns{};
  std::vector<std::size_t> order = waits_by_share(waits);
  double sum = 0;
  for (const std::size_t i : order) sum += waits[i];
  if (sum <= 0) return columns;
  std::array<double, OUTRIDER_WAIT_CLASSES> rest{};
  std::size_t used = 0;
  for (const std::size_t i : order) {
    const double exact = waits[i] / sum * static_cast<double>(width);
    columns[i] = static_cast<std::size_t>(exact);
    rest[i] = exact - std::floor(exact);
    used += columns[i];
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  for (std::size_t k = 0; used < width; ++k, ++used) ++columns[order[k % order.size()]];
  return columns;
}

void add_wait_bar(LineBuilder& line, const std::optional<WaitSeconds>& waits, std::size_t width) {
  if (!waits || waits_by_share(*waits).empty()) {
    line.add("-", Style::kDim);
    return;
  }
  const auto columns = wait_columns(*waits, width);
  for (const std::size_t i : waits_by_share(*waits)) {
    line.add(std::string(columns[i], kWaitClasses[i].letter), wait_style(i));
  }
}

std::vector<Line> wait_legend(const std::optional<WaitSeconds>& waits, std::size_t width) {
  std::vector<Line> lines;
  LineBuilder line(width);
  for (std::size_t i = 0; i < kWaitClasses.size(); ++i) {
    if (waits && (*waits)[i] <= 0) continue;
    const std::string name = kWaitClasses[i].name;
    if (line.column() > 0 && line.room() < name.size() + 4) {
      lines.push_back(line.take());
      line = LineBuilder(width);
    }
    if (line.column() > 0) line.add("  ");
    line.add(std::string(1, kWaitClasses[i].letter), wait_style(i)).add(" " + name, Style::kDim);
  }
  lines.push_back(line.take());
  return lines;
}

}  // namespace outrider
