#include "userspace/detect/csv_samples.h"

#include <csv.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "userspace/base/did_you_mean.h"
#include "userspace/base/moment.h"

namespace outrider {
namespace {

using Figure = std::optional<double> DetectorSample::*;

constexpr std::array<std::pair<std::string_view, Figure>, 7> kFigures = {{
    {"avg_response_time_seconds", &DetectorSample::avg_response_time_seconds},
    {"p95_response_time_seconds", &DetectorSample::p95_response_time_seconds},
    {"error_rate", &DetectorSample::error_rate},
    {"queries_per_second", &DetectorSample::queries_per_second},
    {"cpu_usage", &DetectorSample::cpu_usage},
    {"memory_used_mb", &DetectorSample::memory_used_mb},
    {"cache_hit_rate", &DetectorSample::cache_hit_rate},
}};

using RowFigure = std::optional<double> RecordedRow::*;

constexpr std::array<std::pair<std::string_view, RowFigure>, 2> kRowFigures = {{
    {"current_concurrent", &RecordedRow::current_concurrent},
    {"memory_usage", &RecordedRow::memory_usage},
}};

constexpr double kLatest = 253'402'300'799;  // the end of the year 9999, in Unix seconds

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// What libcsv calls back with; it knows nothing of C++ exceptions, so that none may leave.
class Reader {
 public:
  Reader(std::string path, const std::optional<std::string>& column,
         const std::function<void(const RecordedRow&)>& visit)
      : path_(std::move(path)), column_(column), visit_(visit) {}

  Result<CsvSummary> run();

 private:
  static void on_field(void* text, std::size_t size, void* self) {
    static_cast<Reader*>(self)->fields_.emplace_back(static_cast<const char*>(text), size);
  }
  static void on_line(int /*end*/, void* self) { static_cast<Reader*>(self)->end_line(); }

  void end_line();
  void take_header();
  void check_figures();
  void take_row();
  bool take_time(DetectorSample& sample);
  std::optional<double> number(std::size_t index);
  void fail(const std::string& reason) {
    if (!error_) error_ = Error{fmt::format("{}:{}: {}", path_, line_, reason)};
  }

  const std::string path_;
  const std::optional<std::string>& column_;
  const std::function<void(const RecordedRow&)>& visit_;
  std::vector<std::string> fields_;
  std::vector<std::string> header_;
  std::size_t time_at_ = 0;
  std::optional<std::size_t> column_at_;
  std::size_t line_ = 0;
  bool last_line_ = false;
  std::int64_t newest_ms_ = std::numeric_limits<std::int64_t>::min();
  CsvSummary summary_;
  std::optional<Error> error_;
};

void Reader::check_figures() {
  std::vector<std::string_view> names;
  names.reserve(kFigures.size() + kRowFigures.size());
  for (const auto& [name, figure] : kFigures) names.push_back(name);
  for (const auto& [name, figure] : kRowFigures) names.push_back(name);
  const auto is_there = [&](std::string_view name) {
    return std::find(header_.begin(), header_.end(), name) != header_.end();
  };
  if (std::any_of(names.begin(), names.end(), is_there)) return;
  fail(fmt::format("the header names none of the figures that can be judged; name one of {}", fmt::join(names, ", ")));
}

void Reader::take_header() {
  header_ = fields_;
  const auto find = [&](std::string_view name) { return std::find(header_.begin(), header_.end(), name); };
  const auto time = find("timestamp");
  if (time == header_.end()) return fail("the header names no column `timestamp`");
  time_at_ = static_cast<std::size_t>(time - header_.begin());
  if (!column_) return check_figures();
  const auto column = find(*column_);
  if (column == header_.end()) {
    const std::vector<std::string_view> names(header_.begin(), header_.end());
    return fail(fmt::format("the header names no column `{}`; {}", *column_, did_you_mean(*column_, names)));
  }
  column_at_ = static_cast<std::size_t>(column - header_.begin());
}

std::optional<double> Reader::number(std::size_t index) {
  const std::string& text = fields_[index];
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) {
    fail(fmt::format("column `{}`: '{}' is no number; an empty field is no data", header_[index], text));
    return std::nullopt;
  }
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

bool Reader::take_time(DetectorSample& sample) {
  const std::string& text = fields_[time_at_];
  double seconds = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (problem == std::errc() && end == text.data() + text.size()) {
    if (!(std::abs(seconds) <= kLatest)) {
      fail(fmt::format("column `timestamp`: '{}' is no time in Unix seconds", text));
      return false;
    }
    sample.time_ms = std::llround(seconds * 1000);
    return true;
  }
  Result<std::int64_t> moment = parse_moment(text + "Z", 0);  // without a zone of its own
  if (!moment) moment = parse_moment(text, 0);
  if (!moment) fail("column `timestamp`: " + moment.error().message);
  if (moment) sample.time_ms = *moment;
  return static_cast<bool>(moment);
}

void Reader::take_row() {
  RecordedRow row;
  row.timestamp = fields_[time_at_];
  if (!take_time(row.sample)) return;
  for (std::size_t i = 0; i < header_.size(); ++i) {
    for (const auto& [name, figure] : kFigures) {
      if (header_[i] == name) row.sample.*figure = number(i);
    }
    for (const auto& [name, figure] : kRowFigures) {
      if (header_[i] == name) row.*figure = number(i);
    }
  }
  if (column_at_) row.value = number(*column_at_);
  if (error_) return;
  ++summary_.rows;
  if (row.sample.time_ms < newest_ms_) ++summary_.back;
  newest_ms_ = std::max(newest_ms_, row.sample.time_ms);
  visit_(row);
}

void Reader::end_line() {
  ++line_;
  if (error_) {
  } else if (header_.empty()) {
    take_header();
  } else if (fields_.size() < header_.size() && last_line_) {
    summary_.torn = true;
  } else if (fields_.size() != header_.size()) {
    fail(fmt::format("{} fields, but the header has {}", fields_.size(), header_.size()));
  } else {
    take_row();
  }
  fields_.clear();
}

Result<CsvSummary> Reader::run() {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path_.c_str(), "rbe"));
  if (!file) return Error::from_errno(errno, "open " + path_);
  csv_parser parser{};
  csv_init(&parser, CSV_APPEND_NULL);
  std::array<char, 65'536> buffer{};
  while (!error_) {
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (got == 0) break;
    if (csv_parse(&parser, buffer.data(), got, on_field, on_line, this) != got) {
      fail(csv_strerror(csv_error(&parser)));
    }
  }
  if (std::ferror(file.get()) != 0) fail("it cannot be read");
  last_line_ = true;  // without a newline at its end it may be half of one
  csv_fini(&parser, on_field, on_line, this);
  csv_free(&parser);
  if (error_) return *error_;
  if (header_.empty()) return Error{path_ + " is empty; its first line has to name the columns"};
  return summary_;
}

}  // namespace

Result<CsvSummary> read_csv(const std::string& path, const std::optional<std::string>& column,
                            const std::function<void(const RecordedRow&)>& visit) {
  return Reader(path, column, visit).run();
}

}  // namespace outrider
