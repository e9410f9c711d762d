#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "userspace/base/units.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/replay_rules.h"
#include "userspace/cli/replay_sources.h"
#include "userspace/config/rules.h"
#include "userspace/detect/csv_samples.h"
#include "userspace/detect/detector.h"
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

using Visit = std::function<void(const RecordedRow& row)>;

int fail(const Error& error) {
  fmt::print(stderr, "outrider: {}\n", error.message);
  return error.code == EINVAL ? kExitUsage : kExitFailure;
}

// How many rows there were, and what else there is to say of them on standard error.
Result<std::size_t> read_rows(const std::string& csv, const Visit& visit) {
  const Result<CsvSummary> done = read_csv(csv, std::nullopt, visit);
  if (!done) return Error{done.error().message};
  if (done->torn) fmt::print(stderr, "outrider: the last line of {} is not whole and was left out\n", csv);
  if (done->back > 0) {
    fmt::print(stderr, "outrider: {} rows of {} are earlier than one before them; the clock went back there\n",
               done->back, csv);
  }
  return done->rows;
}

Result<std::size_t> read_rows(const ReplayWindow& window, const Visit& visit) {
  const Result<ReplayedHistory> done = read_history_samples(window, visit);
  if (!done) return done.error();
  fmt::print(stderr, "outrider: history of {}, a sample each {}\n", done->target,
             format_duration(std::chrono::milliseconds(done->step_ms)));
  return done->samples;
}

int replay(const ReplayArguments& arguments) {
  if (arguments.scores) return replay_scores(arguments.csv, arguments.column, arguments.format == "json");
  auto detector = make_detector(arguments.detector);
  if (!detector) return fail(Error{detector.error().message, EINVAL});
  const auto rules =
      arguments.rules.empty() ? Result<std::vector<Rule>>(std::vector<Rule>()) : load_rules({arguments.rules});
  if (!rules) return fail(Error{rules.error().message, EINVAL});
  RuleReplay rule_replay(*rules);
  std::vector<IncidentEvent> events;
  std::vector<Notice> notices;
  std::size_t opened = 0;
  const Visit visit = [&](const RecordedRow& row) {
    events.clear();
    (*detector)->observe(row.sample, events);
    for (const IncidentEvent& event : events) {
      if (event.what == IncidentEvent::What::kOpen) ++opened;
      if (arguments.format == "json") {
        fmt::print("{}\n", to_json(event, row.timestamp).dump());
      } else {
        fmt::print("{}  {:<5}  {}\n", row.timestamp, name_of(event.what), without_controls(event.text));
      }
    }
    notices.clear();
    rule_replay.observe(row, notices);
    opened += print_notices(notices, row.timestamp, arguments.format);
  };
  const Result<std::size_t> rows =
      arguments.csv.empty() ? read_rows(arguments.window, visit) : read_rows(arguments.csv, visit);
  if (!rows) return fail(rows.error());
  if (arguments.format == "text") fmt::print("{} rows, {} incidents\n", *rows, opened);
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
  command->add_option("--rules", arguments->rules, "A file of rules to judge as well, TOML");
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
