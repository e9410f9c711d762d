#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>

#include "userspace/base/moment.h"
#include "userspace/base/units.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/history_source.h"
#include "userspace/history/history_view.h"
#include "userspace/history/trends.h"
#include "userspace/model/utf8.h"
#include "userspace/store/store.h"
#include "userspace/tui/figure_text.h"

namespace outrider {
namespace {

constexpr std::size_t kTableRows = 60;
constexpr std::size_t kFileRows = 500;

struct HistoryArguments {
  HistoryParameters parameters;
  std::string config, database, format = "table";
  std::string target, type, since, from, to, step;
  std::vector<std::string> metrics;
  bool trends = false;
};

int fail(const Error& error) {
  fmt::print(stderr, "outrider history: {}\n", log_text(error.message));
  return error.code == EINVAL ? kExitUsage : kExitFailure;
}

std::string local_time(std::int64_t unix_ms, const char* pattern) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), pattern, &local)};
}

std::string heading(const MetricInfo& metric) {
  const std::string& name = metric.short_name.empty() ? metric.name : metric.short_name;
  return metric.unit == "1/s" && name == "qps" ? "queries/s" : name;
}

void print_table(const HistoryTable& table) {
  const History& window = table.window;
  const HistoryQuery& query = table.request.query;
  fmt::print("{}{}, {} to {}, a line each {}{}\n", without_controls(query.target),
             query.type ? " " + without_controls(*query.type) : std::string(), local_time(window.from_ms, "%F %T"),
             local_time(window.to_ms, "%F %T %Z"), format_duration(std::chrono::milliseconds(window.step_ms)),
             window.rounded ? " (rounded outward to what is kept)" : "");
  if (table.rows.empty()) {
    fmt::print("nothing was recorded in that time\n");
    return;
  }
  std::vector<std::size_t> widths;
  for (const MetricInfo* metric : table.request.metrics)
    widths.push_back(std::max<std::size_t>(heading(*metric).size(), 10));
  fmt::print("{:<19}", "time");
  for (std::size_t i = 0; i < widths.size(); ++i) fmt::print("  {:>{}}", heading(*table.request.metrics[i]), widths[i]);
  fmt::print("\n");
  std::int64_t expected = table.rows.front().time_ms;
  for (const HistoryTable::Row& row : table.rows) {
    if (row.time_ms != expected) fmt::print("{:<19}  (nothing recorded)\n", "...");
    expected = row.time_ms + window.step_ms;
    fmt::print("{:<19}", local_time(row.time_ms, "%F %T"));
    for (std::size_t i = 0; i < widths.size(); ++i) {
      fmt::print("  {:>{}}", metric_text(row.values[i], table.request.metrics[i]->unit), widths[i]);
    }
    fmt::print("\n");
  }
}

std::string format_change(const Trend& trend, bool judged) {
  if (!trend.before) return "-";
  if (!trend.change) return "-";
  const char* verdict = trend.significant ? " *" : "";
  return fmt::format("{:+.1f} %{}", 100 * *trend.change, judged ? verdict : " ?");
}

void print_trends(const std::string& target, const std::vector<MetricTrend>& trends, std::chrono::milliseconds window) {
  const std::string length = format_duration(std::chrono::milliseconds(compared_window_ms(window.count())));
  fmt::print(
      "{}, the last {} against the {} before and the same time yesterday; * is more than noise, ? too little to say\n",
      target, length, length);
  fmt::print("{:<28}  {:>12}  {:>12}  {:>12}  {:>12}  {:>12}\n", "metric", "now", "before", "change", "yesterday",
             "change");
  for (const MetricTrend& trend : trends) {
    const std::string& unit = trend.metric->unit;
    fmt::print("{:<28}  {:>12}  {:>12}  {:>12}  {:>12}  {:>12}\n", heading(*trend.metric),
               metric_text(trend.before.now, unit), metric_text(trend.before.before, unit),
               format_change(trend.before, trend.before_judged), metric_text(trend.yesterday.before, unit),
               format_change(trend.yesterday, trend.yesterday_judged));
  }
}

int show_trends(const HistoryArguments& arguments, const HistorySource& source) {
  const Result<std::chrono::milliseconds> window = parse_duration(arguments.since.empty() ? "1h" : arguments.since);
  if (!window) return fail(window.error());
  const std::int64_t now_ms = unix_ms();
  const Result<std::string> target = choose_target(arguments.target, source, now_ms - window->count(), now_ms);
  if (!target) return fail(target.error());
  const Result<std::vector<MetricTrend>> trends = read_trends(*target, source, window->count(), now_ms);
  if (!trends) return fail(trends.error());
  if (arguments.format == "json") {
    fmt::print("{}\n", to_json(*trends, window->count()).dump(2));
  } else {
    print_trends(*target, *trends, *window);
  }
  return EXIT_SUCCESS;
}

int show_history(const HistoryArguments& arguments, const HistorySource& source) {
  HistoryParameters parameters;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) parameters[name] = value;
  };
  add("target", arguments.target);
  add("type", arguments.type);
  add("since", arguments.since);
  add("from", arguments.from);
  add("to", arguments.to);
  add("step", arguments.step);
  std::string metrics;
  for (const std::string& metric : arguments.metrics) metrics += (metrics.empty() ? "" : ",") + metric;
  add("metric", metrics);
  const std::size_t rows = arguments.format == "table" ? kTableRows : kFileRows;
  const Result<HistoryRequest> request = parse_history_request(parameters, source, unix_ms(), rows);
  if (!request) return fail(request.error());
  const Result<HistoryTable> table = read_history(*request, source);
  if (!table) return fail(table.error());
  if (arguments.format == "json") {
    fmt::print("{}\n", to_json(*table).dump(2));
  } else if (arguments.format == "csv") {
    fmt::print("{}", to_csv(*table));
  } else {
    print_table(*table);
  }
  return EXIT_SUCCESS;
}

int history(const HistoryArguments& arguments) {
  const Result<std::string> database = database_of(arguments.database, arguments.config);
  if (!database) return fail(database.error());
  StoreOptions options;
  options.path = *database;
  Result<StoreReader> reader = Store::open_read_only(options);
  if (!reader) return fail(reader.error());
  const HistorySource source = source_of(*reader);
  const int code = arguments.trends ? show_trends(arguments, source) : show_history(arguments, source);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return fail(Error::from_errno(errno, "stdout cannot be written"));
}

// Who asks for another end, other figures or other steps is not given those that trends have. They are no `excludes` of
// CLI11's, which stand behind the flag in the help: completion would take them for its value.
void refuse_table_options(const CLI::App& command, const std::string& format) {
  for (const char* option : {"--from", "--to", "--type", "--metric", "--step"}) {
    if (command.count(option) == 0) continue;
    throw CLI::ValidationError("--trends", fmt::format("it does not go with {}; leave one of them out", option));
  }
  if (format == "csv") throw CLI::ValidationError("--trends", "it does not go with --format csv; take table or json");
}

}  // namespace

Command add_history_command(CLI::App& app) {
  auto arguments = std::make_shared<HistoryArguments>();
  CLI::App* command = app.add_subcommand("history", "What was recorded by `outrider run`; works while it runs");
  command->add_option("--since", arguments->since, "The last so long, or since a moment (default: 1h)");
  command->add_option("--from", arguments->from, "Begin: 2026-01-31T08:30 (local time), ...Z, @1700000000, or 2h ago");
  command->add_option("--to", arguments->to, "End, as above (default: now)");
  command->add_option("--target", arguments->target, "Which target (default: the only one)");
  command->add_option("--type", arguments->type, "One query type instead of all");
  command
      ->add_option("--metric", arguments->metrics,
                   "Which figures: p99, qps, target_metrics.cpu_usage, ...; several, or separated by commas")
      ->delimiter(',');
  command->add_option("--step", arguments->step, "A line each so long (default: what gives at most 60 lines)");
  command->add_option("--format", arguments->format, "What to print")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->capture_default_str();
  command->add_flag("--trends", arguments->trends,
                    "What changed against the stretch before and yesterday; --since is the stretch");
  command->callback([arguments, command] {
    if (arguments->trends) refuse_table_options(*command, arguments->format);
  });
  command->add_option("--config", arguments->config, "Whose history: the service's configuration");
  command->add_option("--db", arguments->database, "Or the history's file itself");
  command->footer(
      "Examples:\n"
      "  outrider history --since 2h --metric p99,qps\n"
      "  outrider history --target engine --type factual --from 2026-01-31T08:00 --to 2026-01-31T09:00 --step 1m\n"
      "  outrider history --since 1d --trends");
  return [arguments] { return history(*arguments); };
}

}  // namespace outrider
