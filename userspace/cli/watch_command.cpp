#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "userspace/agent/watch.h"
#include "userspace/base/fd.h"
#include "userspace/base/units.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/table.h"
#include "userspace/export/prometheus_text.h"
#include "userspace/export/textfile.h"
#include "userspace/model/snapshot_json.h"

namespace outrider {
namespace {

struct WatchArguments {
  std::vector<std::string> pids, exes, names;
  std::string profile;
  std::string interval = "1s", duration, mode = "auto", budget = "3%", format = "table", textfile, buckets = "default",
              uprobes = "auto";
  bool by_type = false;
  bool allow_nop5 = false;
};

/// Ctrl-C and SIGTERM as a descriptor, so that a run ends between two intervals with its probes gone.
class StopSignals {
 public:
  StopSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      struct sigaction old {};
      // What nohup or a shell's & made us ignore would be queued all the same once it is blocked.
      if (sigaction(number, nullptr, &old) == 0 && old.sa_handler != SIG_IGN) sigaddset(&set, number);
    }
    sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_ = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    signal(SIGPIPE, SIG_IGN);
  }

  /// True when a signal came before the deadline.
  [[nodiscard]] bool wait_until(std::chrono::steady_clock::time_point deadline) const {
    for (;;) {
      const auto left = deadline - std::chrono::steady_clock::now();
      const auto ns = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(left).count());
      const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
      pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      const int got = ppoll(&ready, 1, &timeout, nullptr);
      if (got > 0) return true;
      if (got == 0) return false;
    }
  }

 private:
  Fd fd_;
};

Result<std::vector<Profile>> choose_profiles(const std::string& wanted) {
  Result<std::vector<Profile>> builtin = builtin_profiles();
  if (!builtin || wanted.empty()) return builtin;
  std::string names;
  for (Profile& profile : *builtin) {
    if (profile.name == wanted) {
      std::vector<Profile> one;
      one.push_back(std::move(profile));
      return one;
    }
    names += (names.empty() ? "" : ", ") + profile.name;
  }
  if (wanted.find('/') == std::string::npos && !wanted.ends_with(".toml")) {
    return Error{fmt::format("there is no profile '{}': choose one of {}, or give a file (./my.toml)", wanted, names),
                 EINVAL};
  }
  Result<Profile> loaded = load_profile(wanted);
  if (!loaded) return loaded.error();
  std::vector<Profile> one;
  one.push_back(std::move(*loaded));
  return one;
}

Result<WatchOptions> make_options(const WatchArguments& arguments) {
  WatchOptions options;
  for (const std::string& pid : arguments.pids) options.targets.push_back({TargetSpec::Kind::kPid, pid});
  for (const std::string& exe : arguments.exes) options.targets.push_back({TargetSpec::Kind::kExe, exe});
  for (const std::string& name : arguments.names) options.targets.push_back({TargetSpec::Kind::kName, name});
  Result<std::chrono::milliseconds> interval = parse_duration(arguments.interval);
  if (!interval) return interval.error();
  if (*interval < std::chrono::milliseconds(100))
    return Error{"--interval: 100ms is the shortest; give that or more", EINVAL};
  options.interval = *interval;
  if (!arguments.duration.empty()) {
    Result<std::chrono::milliseconds> duration = parse_duration(arguments.duration);
    if (!duration) return duration.error();
    options.duration = *duration;
  }
  if (!arguments.textfile.empty() && !arguments.textfile.ends_with(".prom")) {
    return Error{fmt::format("--textfile {}: node_exporter reads only files that end in .prom; give such a name",
                             arguments.textfile),
                 EINVAL};
  }
  Result<std::optional<double>> budget = parse_budget(arguments.budget);
  if (!budget) return budget.error();
  options.max_overhead_percent = *budget;
  options.mode = arguments.mode == "full"    ? WatchMode::kFull
                 : arguments.mode == "light" ? WatchMode::kLight
                                             : WatchMode::kAuto;
  options.use_uprobe_multi = arguments.uprobes != "perf";
  Result<std::vector<Profile>> profiles = choose_profiles(arguments.profile);
  if (!profiles) return profiles.error();
  options.attach.profiles = std::move(*profiles);
  options.attach.generation = uprobe_generation();
  options.attach.allow_nop5 = arguments.allow_nop5;
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

int fail(const Error& error, int code) {
  spdlog::error("{}", error.message);
  return code;
}

int watch(const WatchArguments& arguments) {
  Result<WatchOptions> options = make_options(arguments);
  if (!options) return fail(options.error(), kExitUsage);
  const StopSignals stop;  // before the first probe: a Ctrl-C from here on is seen
  Result<Output> output = Output::make(arguments);
  if (!output) return fail(output.error(), kExitFailure);
  const auto sink = [&](const std::vector<Snapshot>& snapshots) { output->write(snapshots); };
  const auto wait = [&](std::chrono::steady_clock::time_point deadline) {
    return output->stdout_failed() || stop.wait_until(deadline);
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
  auto* which = command->add_option_group("targets", "What to watch; each may be given several times, at least one");
  constexpr int kLargestPid = 4'194'304;  // PID_MAX_LIMIT of 64-bit kernels
  which->add_option("--pid", arguments->pids, "A running process, and what it forks")
      ->check(CLI::Range(1, kLargestPid));
  which->add_option("--exe", arguments->exes, "Every process that runs this file, now or later");
  which->add_option("--name", arguments->names, "Every process of this name, now or later");
  which->require_option(1, 0);
  command->add_option(
      "--profile", arguments->profile,
      "How to read the engine: a built-in profile's name or a TOML file (default: picked by its probes)");
  command->add_option("--interval", arguments->interval, "Time between two lines")->capture_default_str();
  command->add_option("--duration", arguments->duration, "Stop after this long (default: until Ctrl-C)");
  command->add_option("--mode", arguments->mode, "full: starts and ends; light: ends only; auto: inside the budget")
      ->check(CLI::IsMember({"auto", "full", "light"}))
      ->capture_default_str();
  command
      ->add_option("--max-overhead", arguments->budget,
                   "What --mode auto may cost, in percent of the target's CPU, or off")
      ->capture_default_str();
  command->add_option("--format", arguments->format, "On stdout: a table, or a JSON object a line")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->add_flag("--by-type", arguments->by_type, "In the table, a line for each query type too");
  command->add_option("--textfile", arguments->textfile,
                      "Also write a Prometheus textfile for node_exporter, each interval (must end in .prom)");
  command->add_option("--buckets", arguments->buckets, "Histogram buckets in the textfile: at most 40, or all (fine)")
      ->check(CLI::IsMember({"default", "fine"}))
      ->capture_default_str();
  command
      ->add_option("--uprobes", arguments->uprobes,
                   "How to attach: many sites with one link where the kernel can, or perf events")
      ->check(CLI::IsMember({"auto", "perf"}))
      ->capture_default_str();
  command->add_flag("--allow-nop5", arguments->allow_nop5,
                    "Attach to 5-byte nops on kernels where that corrupts the target (dangerous)");
  command->footer(
      "Examples:\n"
      "  outrider watch --pid 4711\n"
      "  outrider watch --name postgres --by-type --max-overhead off\n"
      "  outrider watch --exe /usr/bin/engine --format json --duration 1m > engine.jsonl\n"
      "  outrider watch --pid 4711 --textfile /var/lib/prometheus/node-exporter/outrider.prom");
  return [arguments] { return watch(*arguments); };
}

}  // namespace outrider
