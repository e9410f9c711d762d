#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "userspace/base/units.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/replay_rules.h"
#include "userspace/cli/replay_sources.h"
#include "userspace/config/rules.h"
#include "userspace/detect/csv_samples.h"
#include "userspace/detect/detector.h"
#include "userspace/detect/point_sample.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

struct ReplayArguments {
  std::string csv, column;
  std::string rules;  ///< a file; empty: none
  bool scores = false;
  ReplayWindow window;
  std::string detector = "default";
  std::string format = "text";
};

const char* name_of(IncidentEvent::What what) {
  switch (what) {
    case IncidentEvent::What::kOpen:
      return "open";
    case IncidentEvent::What::kWorse:
      return "worse";
    case IncidentEvent::What::kClose:
      break;
  }
  return "close";
}

Json to_json(const IncidentEvent& event, const std::string& at) {
  const auto effect = event.effect_percent();
  return {{"at", at},
          {"event", name_of(event.what)},
          {"arm", event.arm},
          {"metric", event.metric},
          {"value", event.value},
          {"expected", event.expected},
          {"effect_percent", effect ? Json(*effect) : Json(nullptr)},
          {"text", event.text}};
}

/// How many of them are openings.
std::size_t print_notices(const std::vector<Notice>& notices, const std::string& at, const std::string& format) {
  std::size_t opened = 0;
  for (const Notice& notice : notices) {
    if (notice.what == Notice::What::kFiring) ++opened;
    if (format == "json") {
      fmt::print("{}\n", to_json(notice, at).dump());
    } else {
      fmt::print("{}  {:<5}  {}: {}\n", at, event_name(notice), without_controls(notice.name),
                 without_controls(notice.text));
    }
  }
  return opened;
}

/// Prints what the detector and the rules say of one row after the other.
class ReplayReport {
 public:
  ReplayReport(Detector& detector, const std::string& format) : detector_(detector), format_(format) {}

  /// `row` is what the sample was taken from, as `rules` see it.
  template <typename Row>
  void observe(const DetectorSample& sample, const std::string& at, const Row& row, RuleReplay& rules) {
    events_.clear();
    detector_.observe(sample, events_);
    print_events(at);
    notices_.clear();
    rules.observe(row, notices_);
    opened_ += print_notices(notices_, at, format_);
  }

  [[nodiscard]] std::size_t opened() const { return opened_; }

 private:
  void print_events(const std::string& at) {
    for (const IncidentEvent& event : events_) {
      if (event.what == IncidentEvent::What::kOpen) ++opened_;
      if (format_ == "json") {
        fmt::print("{}\n", to_json(event, at).dump());
      } else {
        fmt::print("{}  {:<5}  {}\n", at, name_of(event.what), without_controls(event.text));
      }
    }
  }

  Detector& detector_;
  const std::string& format_;
  std::vector<IncidentEvent> events_;
  std::vector<Notice> notices_;
  std::size_t opened_ = 0;
};

int fail(const Error& error) {
  fmt::print(stderr, "outrider: {}\n", error.message);
  return error.code == EINVAL ? kExitUsage : kExitFailure;
}

// Silence about a rule would read as that it had nothing to say.
void print_not_judged(const RuleReplay& rules) {
  for (const std::string& line : rules.not_judged()) {
    fmt::print(stderr, "not judged: {}\n", without_controls(line));
  }
}

// How many rows there were, and what else there is to say of them on standard error.
Result<std::size_t> replay_file(const std::string& csv, std::vector<Rule> rules, ReplayReport& report) {
  RuleReplay rule_replay(std::move(rules));
  const auto visit = [&](const RecordedRow& row) { report.observe(row.sample, row.timestamp, row, rule_replay); };
  const Result<CsvSummary> done = read_csv(csv, std::nullopt, visit);
  if (!done) return Error{done.error().message};
  if (done->torn) fmt::print(stderr, "outrider: the last line of {} is not whole and was left out\n", csv);
  if (done->back > 0) {
    fmt::print(stderr, "outrider: {} rows of {} are earlier than one before them; the clock went back there\n",
               done->back, csv);
  }
  print_not_judged(rule_replay);
  return done->rows;
}

Result<std::size_t> replay_history(const ReplayWindow& window, std::vector<Rule> rules, ReplayReport& report) {
  Result<HistoryReplay> history = HistoryReplay::open(window);
  if (!history) return history.error();
  RuleReplay rule_replay(std::move(rules), history->target());
  const Result<ReplayedHistory> done = history->for_each_step(rule_replay.figures(), [&](const Point& step) {
    const DetectorSample sample = sample_of(step);
    report.observe(sample, format_timestamp(sample.time_ms), step, rule_replay);
  });
  if (!done) return done.error();
  fmt::print(stderr, "outrider: history of {}, a sample each {}\n", history->target(),
             format_duration(std::chrono::milliseconds(done->step_ms)));
  print_not_judged(rule_replay);
  return done->samples;
}

int replay(const ReplayArguments& arguments) {
  if (arguments.scores) return replay_scores(arguments.csv, arguments.column, arguments.format == "json");
  auto detector = make_detector(arguments.detector);
  if (!detector) return fail(Error{detector.error().message, EINVAL});
  const auto rules =
      arguments.rules.empty() ? Result<std::vector<Rule>>(std::vector<Rule>()) : load_rules({arguments.rules});
  if (!rules) return fail(Error{rules.error().message, EINVAL});
  ReplayReport report(**detector, arguments.format);
  const Result<std::size_t> rows = arguments.csv.empty() ? replay_history(arguments.window, *rules, report)
                                                         : replay_file(arguments.csv, *rules, report);
  if (!rows) return fail(rows.error());
  if (arguments.format == "text") fmt::print("{} rows, {} incidents\n", *rows, report.opened());
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return EXIT_SUCCESS;
  return fail(Error{"standard output cannot be written"});
}

void add_history_options(CLI::App& command, const std::shared_ptr<ReplayArguments>& arguments, CLI::Option* csv) {
  ReplayWindow& window = arguments->window;
  CLI::Option* from = command.add_option("--from", window.from, "The agent's own history instead, from 2h ago, ...");
  from->excludes(csv);
  command.add_option("--to", window.to, "... until (default: now); times as `outrider history` reads them")
      ->needs(from);
  command.add_option("--target", window.target, "Whose history (default: the only target's)")->needs(from);
  command.add_option("--store", window.store, "The history's file")->needs(from);
  command.add_option("--config", window.config, "Or the service's configuration, which names it")->needs(from);
}

}  // namespace

Command add_replay_command(CLI::App& app) {
  auto arguments = std::make_shared<ReplayArguments>();
  CLI::App* command = app.add_subcommand("replay", "What rules and a detector would have said about recorded figures");
  CLI::Option* csv = command->add_option("--csv", arguments->csv, "The figures, a row an interval; see below");
  add_history_options(*command, arguments, csv);
  CLI::Option* column = command->add_option("--column", arguments->column, "One column of any name, with --scores");
  CLI::Option* scores = command->add_flag("--scores", arguments->scores, "A score 0..1 of each row of that column");
  column->needs(csv)->needs(scores);
  scores->needs(column);
  command->callback([command] {
    if (command->count("--csv") + command->count("--from") == 0) throw CLI::RequiredError("--csv or --from");
  });
  command->add_option("--detector", arguments->detector, "default, zscore (the 2-sigma rule) or none")
      ->check(CLI::IsMember({"default", "zscore", "none"}))
      ->capture_default_str();
  command->add_option("--rules", arguments->rules,
                      "A file of rules to judge as well, TOML; those that cannot be are named on standard error");
  command->add_option("--format", arguments->format, "What to print: lines to read, or an object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer(
      "The first line names the columns: timestamp (Unix seconds, or 2026-01-31 08:30:00, UTC), then any of\n"
      "avg_response_time_seconds, p95_response_time_seconds, error_rate (0..1), queries_per_second,\n"
      "current_concurrent, cpu_usage (percent), memory_usage (0..1), memory_used_mb, cache_hit_rate (0..1). An empty "
      "field is no data.\n"
      "Scores tell how much a row is out of line with those before it; a row without data has 0.\n"
      "Examples:\n"
      "  outrider replay --csv night.csv --format json\n"
      "  outrider replay --csv night.csv --rules rules.toml --detector none\n"
      "  outrider replay --from 2h --target engine\n"
      "  outrider replay --csv requests.csv --column value --scores > scores.csv");
  return [arguments] { return replay(*arguments); };
}

}  // namespace outrider
