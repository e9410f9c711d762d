#include "userspace/cli/rule_tests.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "userspace/alerts/rule_book.h"
#include "userspace/cli/snapshot_figures.h"
#include "userspace/config/rules.h"

namespace outrider {
namespace {

using Series = std::vector<std::optional<double>>;

constexpr std::uint64_t kQueries = 1'000;        // an interval, unless the test says so
constexpr std::size_t kLongestSeries = 100'000;  // seconds
constexpr std::int64_t kStartMs = 1'700'000'000'000;

/// "0.05x10 _x5 0.15": ten times 0.05, five seconds without the figure, once 0.15.
std::optional<Series> series_of(const std::string& text) {
  Series series;
  std::istringstream stream(text);
  for (std::string token; stream >> token;) {
    const std::size_t cross = token.find('x');
    const std::string number = token.substr(0, cross);
    std::size_t times = 1;
    double value = 0;
    const auto parse = [](const std::string& part, auto& into) {
      const auto [end, problem] = std::from_chars(part.data(), part.data() + part.size(), into);
      return problem == std::errc() && end == part.data() + part.size();
    };
    if (number != "_" && !parse(number, value)) return std::nullopt;
    if (cross != std::string::npos && !parse(token.substr(cross + 1), times)) return std::nullopt;
    if (times > kLongestSeries - series.size()) return std::nullopt;
    series.insert(series.end(), times, number == "_" ? std::nullopt : std::optional(value));
  }
  return series;
}

struct RuleTest {
  std::string name;
  std::map<std::string, Series> series;
  std::vector<std::string> expected;
};

class TestFile {
 public:
  explicit TestFile(std::string path) : path_(std::move(path)) {}

  Result<std::vector<RuleTestResult>> run();

 private:
  [[nodiscard]] Error error_at(const toml::node& node, const std::string& what) const {
    return Error{fmt::format("{}:{}: {}", path_, node.source().begin.line, what), EINVAL};
  }
  [[nodiscard]] Result<std::vector<Rule>> rules(const toml::table& root) const;
  [[nodiscard]] Result<RuleTest> read(const toml::table& table) const;
  Status read_series(const toml::table& table, RuleTest& test) const;
  Status read_expected(const toml::table& table, RuleTest& test) const;

  std::string path_;
};

Result<std::vector<Rule>> TestFile::rules(const toml::table& root) const {
  const auto file = root["rules"].value<std::string>();
  if (!file) return error_at(root, "found no `rules`, expected the path of a file with rules, from this one");
  return load_rules({std::filesystem::path(path_).parent_path() / *file});
}

Status TestFile::read_series(const toml::table& table, RuleTest& test) const {
  const auto* series = table["series"].as_table();
  if (series == nullptr) return error_at(table, "found no [test.series], expected a series by figure");
  const auto known = settable_figures();
  for (const auto& [key, node] : *series) {
    if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
      return error_at(node, fmt::format("found {}, expected one of {}", key.str(), fmt::join(known, ", ")));
    }
    const auto values = series_of(node.value_or(std::string("?")));
    if (!values) return error_at(node, R"(expected a series such as "0.05x10 _x5 0.15": value x seconds, _ for none)");
    test.series.emplace(key.str(), *values);
  }
  return Ok{};
}

Status TestFile::read_expected(const toml::table& table, RuleTest& test) const {
  const auto* expected = table["expect"].as_array();
  if (expected == nullptr) return error_at(table, "found no `expect`, expected an array of incidents; [] for none");
  for (const toml::node& node : *expected) {
    const auto text = node.value<std::string>();
    if (!text) return error_at(node, R"(expected a text such as "41 open High Response Time")");
    test.expected.push_back(*text);
  }
  return Ok{};
}

Result<RuleTest> TestFile::read(const toml::table& table) const {
  RuleTest test;
  test.name = table["name"].value_or(std::string("without a name"));
  if (Status status = read_series(table, test); !status) return status.error();
  if (Status status = read_expected(table, test); !status) return status.error();
  return test;
}

/// Second 1 is the first of the series.
RuleTestResult judge(const std::vector<Rule>& rules, const RuleTest& test) {
  RuleTestResult result{test.name, test.expected, {}};
  std::vector<Notice> notices;
  RuleBook book;
  book.set_rules(rules, kStartMs, notices);
  std::size_t seconds = 0;
  for (const auto& [name, series] : test.series) seconds = std::max(seconds, series.size());
  for (std::size_t i = 0; i < seconds; ++i) {
    Snapshot snapshot;
    snapshot.target = "test";
    snapshot.interval_seconds = 1;
    snapshot.timestamp_ms = kStartMs + static_cast<std::int64_t>(i + 1) * 1000;
    snapshot.query_metrics.interval_queries = kQueries;
    for (const auto& [name, series] : test.series) {
      set_figure(snapshot, name, i < series.size() ? series[i] : std::nullopt);
    }
    notices.clear();
    book.observe(snapshot, notices);
    for (const Notice& notice : notices) {
      result.seen.push_back(
          fmt::format("{} {} {}", i + 1, notice.what == Notice::What::kResolved ? "close" : "open", notice.name));
    }
  }
  return result;
}

Result<std::vector<RuleTestResult>> TestFile::run() {
  std::vector<RuleTestResult> results;
  try {
    const toml::table root = toml::parse_file(path_);
    const Result<std::vector<Rule>> book = rules(root);
    if (!book) return book.error();
    const auto* tests = root["test"].as_array();
    if (tests == nullptr) return error_at(root, "found no [[test]] table");
    for (const toml::node& node : *tests) {
      if (!node.is_table()) return error_at(node, "expected a [[test]] table");
      const Result<RuleTest> test = read(*node.as_table());
      if (!test) return test.error();
      results.push_back(judge(*book, *test));
    }
  } catch (const toml::parse_error& error) {
    return Error{fmt::format("{}:{}: {}", path_, error.source().begin.line, error.description()), EINVAL};
  }
  return results;
}

}  // namespace

Result<std::vector<RuleTestResult>> run_rule_tests(const std::string& path) { return TestFile(path).run(); }

}  // namespace outrider
