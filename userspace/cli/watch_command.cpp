#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>

#include "userspace/agent/signals.h"
#include "userspace/agent/watch.h"
#include "userspace/base/units.h"
#include "userspace/cli/attach_options.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/logging.h"
#include "userspace/cli/table.h"
#include "userspace/export/prometheus_text.h"
#include "userspace/export/textfile.h"
#include "userspace/model/snapshot_json.h"

namespace outrider {
namespace {

struct WatchArguments {
  AttachArguments attach;
  std::string duration, format = "table", textfile, buckets = "default";
  bool by_type = false;
};

Result<WatchOptions> make_options(const WatchArguments& arguments) {
  if (!arguments.textfile.empty() && !arguments.textfile.ends_with(".prom")) {
    return Error{fmt::format("--textfile {}: node_exporter reads only files that end in .prom; give such a name",
                             arguments.textfile),
                 EINVAL};
  }
  Result<WatchOptions> options = watch_options(arguments.attach);
  if (!options || arguments.duration.empty()) return options;
  Result<std::chrono::milliseconds> duration = parse_duration(arguments.duration);
  if (!duration) return Error{"--duration: " + duration.error().message, EINVAL};
  options->duration = *duration;
  return options;
}

bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
}

/// Where the snapshots go: stdout, and the textfile if there is one. A fault of one does not stop the other.
class Output {
 public:
  static Result<Output> make(const WatchArguments& arguments) {
    Output output(arguments);
    if (arguments.textfile.empty()) return output;
    Result<TextfileWriter> made = TextfileWriter::make(arguments.textfile);
    if (!made) return made.error();
    output.textfile_.emplace(std::move(*made));
    return output;
  }

  void write(const std::vector<Snapshot>& snapshots) {
    if (json_) {
      for (const Snapshot& snapshot : snapshots) fmt::print(stdout, "{}\n", to_json_line(snapshot));
      std::fflush(stdout);
    } else {
      table_.print(snapshots);
    }
    if (std::ferror(stdout) != 0 && stdout_error_ == 0) stdout_error_ = errno;
    if (textfile_ && !snapshots.empty() && !snapshots.front().summary) write_textfile(snapshots);
  }

  [[nodiscard]] bool stdout_failed() const { return stdout_error_ != 0; }
  [[nodiscard]] int stdout_error() const { return stdout_error_; }
  [[nodiscard]] bool textfile_failed() const { return textfile_failed_; }

 private:
  explicit Output(const WatchArguments& arguments)
      : json_(arguments.format == "json"),
        table_(stdout, {.colour = wants_colour(), .by_type = arguments.by_type}),
        path_(arguments.textfile) {
    prometheus_.fine_buckets = arguments.buckets == "fine";
  }

  // Said once when it begins to fail and once when it works again, not each second.
  void write_textfile(const std::vector<Snapshot>& snapshots) {
    const Status status = textfile_->write(prometheus_text(snapshots, prometheus_));
    if (!status && !textfile_failed_) spdlog::error("{}", status.error().message);
    if (status && textfile_failed_) spdlog::info("{} is written again", path_);
    textfile_failed_ = !status;
  }

  bool json_;
  Table table_;
  std::string path_;
  PrometheusOptions prometheus_;
  std::optional<TextfileWriter> textfile_;
  int stdout_error_ = 0;
  bool textfile_failed_ = false;
};

int watch(const WatchArguments& arguments) {
  Result<WatchOptions> options = make_options(arguments);
  if (!options) return fail(options.error(), kExitUsage);
  const Signals stop({SIGINT, SIGTERM, SIGHUP});  // before the first probe: a Ctrl-C from here on is seen
  Result<Output> output = Output::make(arguments);
  if (!output) return fail(output.error(), kExitFailure);
  const auto sink = [&](const std::vector<Snapshot>& snapshots) { output->write(snapshots); };
  const auto wait = [&](std::chrono::steady_clock::time_point deadline) {
    return output->stdout_failed() || stop.wait_until(deadline).has_value();
  };
  if (Status status = run_watch(*options, sink, wait); !status) return fail(status.error(), kExitFailure);
  if (output->stdout_failed())
    return fail(Error::from_errno(output->stdout_error(), "stdout cannot be written"), kExitFailure);
  return output->textfile_failed() ? kExitFailure : EXIT_SUCCESS;
}

}  // namespace

Command add_watch_command(CLI::App& app) {
  auto arguments = std::make_shared<WatchArguments>();
  CLI::App* command = app.add_subcommand("watch", "Attach to running engines and say each interval what they do");
  add_target_options(*command, "What to watch; each may be given several times, at least one", arguments->attach)
      ->require_option(1, 0);
  command->add_option("--interval", arguments->attach.interval, "Time between two lines")->capture_default_str();
  command->add_option("--duration", arguments->duration, "Stop after this long (default: until Ctrl-C)");
  add_attach_options(*command, arguments->attach);
  command->add_option("--format", arguments->format, "On stdout: a table, or a JSON object a line")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->add_flag("--by-type", arguments->by_type, "In the table, a line for each query type too");
  command->add_option("--textfile", arguments->textfile,
                      "Also write a Prometheus textfile for node_exporter, each interval (must end in .prom)");
  command->add_option("--buckets", arguments->buckets, "Histogram buckets in the textfile: at most 40, or all (fine)")
      ->check(CLI::IsMember({"default", "fine"}))
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  outrider watch --pid 4711\n"
      "  outrider watch --name postgres --by-type --max-overhead off\n"
      "  outrider watch --exe /usr/bin/engine --format json --duration 1m > engine.jsonl\n"
      "  outrider watch --pid 4711 --textfile /var/lib/prometheus/node-exporter/outrider.prom");
  return [arguments] { return watch(*arguments); };
}

}  // namespace outrider
