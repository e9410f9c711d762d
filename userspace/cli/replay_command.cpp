#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "userspace/cli/commands.h"
#include "userspace/cli/replay_rules.h"
#include "userspace/config/rules.h"
#include "userspace/detect/csv_samples.h"
#include "userspace/detect/detector.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

struct ReplayArguments {
  std::string csv;
  std::string rules;  ///< empty: none
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
      fmt::print("{}  {:<5}  {}: {}\n", at, event_name(notice), notice.name, notice.text);
    }
  }
  return opened;
}

int replay(const ReplayArguments& arguments) {
  auto detector = make_detector(arguments.detector);
  if (!detector) {
    fmt::print(stderr, "outrider: {}\n", detector.error().message);
    return kExitUsage;
  }
  const auto rules =
      arguments.rules.empty() ? Result<std::vector<Rule>>(std::vector<Rule>()) : load_rules({arguments.rules});
  if (!rules) {
    fmt::print(stderr, "{}\n", rules.error().message);
    return kExitUsage;
  }
  RuleReplay rule_replay(*rules);
  std::vector<IncidentEvent> events;
  std::vector<Notice> notices;
  std::size_t opened = 0;
  const auto visit = [&](const CsvRow& row) {
    events.clear();
    (*detector)->observe(row.sample, events);
    for (const IncidentEvent& event : events) {
      if (event.what == IncidentEvent::What::kOpen) ++opened;
      if (arguments.format == "json") {
        fmt::print("{}\n", to_json(event, row.timestamp).dump());
      } else {
        fmt::print("{}  {:<5}  {}\n", row.timestamp, name_of(event.what), event.text);
      }
    }
    notices.clear();
    rule_replay.observe(row, notices);
    opened += print_notices(notices, row.timestamp, arguments.format);
  };
  const Result<CsvSummary> done = read_csv(arguments.csv, std::nullopt, visit);
  if (!done) {
    fmt::print(stderr, "outrider: {}\n", done.error().message);
    return kExitFailure;
  }
  if (done->torn) fmt::print(stderr, "outrider: the last line of {} is not whole and was left out\n", arguments.csv);
  if (arguments.format == "text") fmt::print("{} rows, {} incidents\n", done->rows, opened);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return EXIT_SUCCESS;
  fmt::print(stderr, "outrider: standard output cannot be written\n");
  return kExitFailure;
}

}  // namespace

Command add_replay_command(CLI::App& app) {
  auto arguments = std::make_shared<ReplayArguments>();
  CLI::App* command = app.add_subcommand("replay", "What rules and a detector would have said about recorded figures");
  command->add_option("--csv", arguments->csv, "The figures, a row an interval; see below")->required();
  command->add_option("--detector", arguments->detector, "default, zscore (the 2-sigma rule) or none")
      ->check(CLI::IsMember({"default", "zscore", "none"}))
      ->capture_default_str();
  command->add_option("--rules", arguments->rules, "A file of rules to judge as well, TOML");
  command->add_option("--format", arguments->format, "What to print: lines to read, or an object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer(
      "The first line names the columns: timestamp (Unix seconds, or 2026-01-31T08:30:00Z), then any of\n"
      "avg_response_time_seconds, p95_response_time_seconds, error_rate (0..1), queries_per_second,\n"
      "current_concurrent, cpu_usage (percent), memory_usage (0..1), memory_used_mb, cache_hit_rate (0..1). An empty "
      "field is no data.\n"
      "Example:  outrider replay --csv night.csv --format json");
  return [arguments] { return replay(*arguments); };
}

}  // namespace outrider
