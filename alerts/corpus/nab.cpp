#include "alerts/corpus/nab.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

namespace outrider {
namespace {

constexpr double kProbation = 0.15;
constexpr std::size_t kMostProbation = 750;
constexpr double kFarBehind = 3;
constexpr double kSilent = std::numeric_limits<double>::infinity();

/// A row that may become a detection: what it earns then.
struct Row {
  double score = 0;
  std::optional<std::size_t> window;  ///< of all series, counted through
  double worth = 0;
};

void add_rows(const NabSeries& series, const NabProfile& profile, std::size_t first_window, std::vector<Row>& rows) {
  std::size_t next = 0;  // the first window that does not end before the row
  for (std::size_t i = 0; i < series.scores.size(); ++i) {
    while (next < series.windows.size() && series.windows[next].last < i) ++next;
    if (i < nab_probation(series.scores.size())) continue;
    Row row{series.scores[i], std::nullopt, 0};
    if (next < series.windows.size() && series.windows[next].first <= i) {
      const auto [first, last] = series.windows[next];
      const auto width = static_cast<double>(last - first + 1);
      row.window = first_window + next;
      row.worth = profile.hit * nab_sigmoid(-static_cast<double>(last - i + 1) / width) / nab_sigmoid(-1);
    } else if (next == 0) {
      row.worth = -profile.false_alarm;
    } else {
      const auto [first, last] = series.windows[next - 1];
      const double length = std::max(1.0, static_cast<double>(last - first));
      row.worth = profile.false_alarm * nab_sigmoid(static_cast<double>(i - last) / length);
    }
    rows.push_back(row);
  }
}

std::size_t windows_in(const std::vector<NabSeries>& all) {
  std::size_t windows = 0;
  for (const NabSeries& series : all) windows += series.windows.size();
  return windows;
}

/// The most striking rows first.
std::vector<Row> ranked(const std::vector<NabSeries>& all, const NabProfile& profile) {
  std::vector<Row> rows;
  std::size_t windows = 0;
  for (const NabSeries& series : all) {
    add_rows(series, profile, windows, rows);
    windows += series.windows.size();
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.score > b.score; });
  return rows;
}

/// The sum while the threshold comes down, a row at a time.
class Tally {
 public:
  Tally(std::size_t windows, const NabProfile& profile)
      : profile_(profile), best_(windows), sum_(-profile.miss * static_cast<double>(windows)) {
    now_.threshold = kSilent;
    now_.windows = windows;
  }

  void detect(const Row& row) {
    now_.threshold = row.score;
    if (!row.window) {
      sum_ += row.worth;
      ++now_.false_rows;
      return;
    }
    std::optional<double>& best = best_[*row.window];
    if (!best) {
      sum_ += profile_.miss + row.worth;
      ++now_.found;
      best = row.worth;
    } else if (row.worth > *best) {
      sum_ += row.worth - *best;
      best = row.worth;
    }
  }

  [[nodiscard]] NabScore score() const {
    const auto windows = static_cast<double>(now_.windows);
    const double silent = -profile_.miss * windows;
    NabScore score = now_;
    score.score = 100 * (sum_ - silent) / (profile_.hit * windows - silent);
    return score;
  }

 private:
  NabProfile profile_;
  std::vector<std::optional<double>> best_;  ///< a window each
  double sum_;
  NabScore now_;
};

}  // namespace

std::size_t nab_probation(std::size_t rows) {
  return std::min(static_cast<std::size_t>(kProbation * static_cast<double>(rows)), kMostProbation);
}

double nab_sigmoid(double position) {
  if (position >= kFarBehind) return -1;
  return 2 / (1 + std::exp(5 * position)) - 1;
}

NabScore nab_score(const std::vector<NabSeries>& all, double threshold, const NabProfile& profile) {
  Tally tally(windows_in(all), profile);
  for (const Row& row : ranked(all, profile)) {
    if (row.score >= threshold) tally.detect(row);
  }
  NabScore score = tally.score();
  score.threshold = threshold;
  return score;
}

NabScore nab_best(const std::vector<NabSeries>& all, const NabProfile& profile) {
  Tally tally(windows_in(all), profile);
  NabScore best = tally.score();
  const std::vector<Row> rows = ranked(all, profile);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    tally.detect(rows[i]);
    const bool last_of_its_score = i + 1 == rows.size() || rows[i + 1].score < rows[i].score;
    if (last_of_its_score && tally.score().score > best.score) best = tally.score();
  }
  return best;
}

Result<std::map<std::string, std::vector<std::pair<std::string, std::string>>>> parse_nab_windows(
    const std::string& text) {
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> files;
  try {
    nlohmann::json::parse(text).get_to(files);
  } catch (const nlohmann::json::exception& error) {
    return Error{
        fmt::format("these are no windows of the benchmark, a list of pairs of times a file: {}", error.what())};
  }
  return files;
}

Result<std::vector<NabWindow>> place_nab_windows(const std::vector<std::string>& times,
                                                 const std::vector<std::pair<std::string, std::string>>& windows) {
  const auto row_of = [&](const std::string& time) {  // labels have a fraction of a second behind, always 0
    return static_cast<std::size_t>(std::find(times.begin(), times.end(), time.substr(0, 19)) - times.begin());
  };
  std::vector<NabWindow> placed;
  placed.reserve(windows.size());
  for (const auto& [begin, end] : windows) {
    const NabWindow window{row_of(begin), row_of(end)};
    if (window.first >= times.size() || window.last >= times.size()) {
      return Error{fmt::format("the window {} to {} begins or ends at no row", begin, end)};
    }
    placed.push_back(window);
  }
  return placed;
}

}  // namespace outrider
