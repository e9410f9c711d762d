#include "alerts/corpus/nab_bench.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "userspace/detect/anomaly_score.h"
#include "userspace/detect/csv_samples.h"

namespace outrider {
namespace {

Result<NabSeries> score_file(const std::string& path, const std::vector<std::pair<std::string, std::string>>& windows) {
  NabSeries series;
  std::vector<std::string> times;
  AnomalyScore scorer;
  const auto visit = [&](const RecordedRow& row) {
    times.push_back(row.timestamp);
    series.scores.push_back(row.value ? scorer.observe(row.sample.time_ms, *row.value) : 0);
  };
  const Result<CsvSummary> read = read_csv(path, "value", visit);
  if (!read) return read.error();
  Result<std::vector<NabWindow>> placed = place_nab_windows(times, windows);
  if (!placed) return Error{path + ": " + placed.error().message};
  series.windows = std::move(*placed);
  return series;
}

void print_score(const std::string& how, const NabScore& score) {
  fmt::print("  {:.1f} at {} {:.3f}: {} of {} windows found, {} rows outside of them\n", score.score, how,
             score.threshold, score.found, score.windows, score.false_rows);
}

}  // namespace

Result<std::vector<NabSeries>> score_nab_files(const std::string& directory) {
  const std::string labels = directory + "/labels/combined_windows.json";
  std::ifstream file(labels);
  if (!file) return Error::from_errno(errno, "open " + labels);
  std::ostringstream text;
  text << file.rdbuf();
  const auto windows = parse_nab_windows(text.str());
  if (!windows) return Error{labels + ": " + windows.error().message};
  std::vector<NabSeries> all;
  for (const auto& [name, of_file] : *windows) {
    const std::string path = directory + "/data/" + name;
    if (!std::filesystem::exists(path)) continue;
    Result<NabSeries> series = score_file(path, of_file);
    if (!series) return series.error();
    all.push_back(std::move(*series));
  }
  if (all.empty()) return Error{directory + "/data has none of the files that " + labels + " speaks of"};
  return all;
}

Status print_nab(const std::string& directory, double threshold) {
  const auto all = score_nab_files(directory);
  if (!all) return all.error();
  fmt::print("NAB, standard profile, {} files, fixed parameters, no row sees a later one:\n", all->size());
  print_score("the best threshold, as the benchmark takes it,", nab_best(*all));
  print_score("the fixed threshold", nab_score(*all, threshold));
  return Ok{};
}

}  // namespace outrider
