#include <spdlog/spdlog.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/agent/signals.h"
#include "userspace/base/units.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/log_news.h"
#include "userspace/cli/top_source.h"
#include "userspace/cli/top_viewer.h"
#include "userspace/config/load.h"
#include "userspace/http/url.h"
#include "userspace/tui/terminal.h"

namespace outrider {
namespace {

struct TopArguments {
  std::string url = "http://127.0.0.1:9717", token_file;
  std::vector<std::string> pids, exes, names;
  std::string profile, interval = "1s", mode = "auto", budget = "3%";

  [[nodiscard]] bool attaches() const { return !pids.empty() || !exes.empty() || !names.empty(); }
};

Result<std::chrono::milliseconds> interval_of(const TopArguments& arguments) {
  Result<std::chrono::milliseconds> interval = parse_duration(arguments.interval);
  if (!interval) return Error{"--interval: " + interval.error().message};
  if (*interval < std::chrono::milliseconds(100)) return Error{"--interval: 100ms is the shortest; give that or more"};
  return interval;
}

Result<ServiceOptions> service_options(const TopArguments& arguments) {
  ServiceOptions options;
  const auto interval = interval_of(arguments);
  if (!interval) return interval.error();
  options.interval = *interval;
  if (const auto url = parse_url(arguments.url); !url) return Error{"--url: " + url.error().message};
  options.url = arguments.url;
  while (options.url.ends_with('/')) options.url.pop_back();
  if (arguments.token_file.empty()) return options;
  Result<std::string> token = read_secret(arguments.token_file);
  if (!token) return Error{"--token-file: " + token.error().message};
  options.token = *std::move(token);
  return options;
}

Result<WatchOptions> watch_options(const TopArguments& arguments) {
  WatchOptions options;
  for (const std::string& pid : arguments.pids) options.targets.push_back({TargetSpec::Kind::kPid, pid});
  for (const std::string& exe : arguments.exes) options.targets.push_back({TargetSpec::Kind::kExe, exe});
  for (const std::string& name : arguments.names) options.targets.push_back({TargetSpec::Kind::kName, name});
  const auto interval = interval_of(arguments);
  if (!interval) return interval.error();
  options.interval = *interval;
  const Result<std::optional<double>> budget = parse_budget(arguments.budget);
  if (!budget) return Error{"--max-overhead: " + budget.error().message};
  options.max_overhead_percent = *budget;
  if (arguments.mode == "full") options.mode = WatchMode::kFull;
  if (arguments.mode == "light") options.mode = WatchMode::kLight;
  Result<std::vector<Profile>> profiles = choose_profiles(arguments.profile);
  if (!profiles) return profiles.error();
  options.attach.profiles = *std::move(profiles);
  options.attach.generation = uprobe_generation();
  return options;
}

int fail(const Error& error, int code) {
  spdlog::error("{}", error.message);
  return code;
}

/// Until the user quits. The source has ended, and nothing is attached any more, when it returns.
template <typename Start>
Status view(Start&& start) {
  // Before the first thread and the first probe: a Ctrl-C from here on is seen.
  const Signals signals({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH});
  Result<BoardBox> box = BoardBox::make();
  if (!box) return box.error();
  const LogNews news;
  const Result<std::unique_ptr<TopSource>> source = start(*box, news);
  if (!source) return source.error();
  return view_boards(*box, **source, signals);
}

int top(const TopArguments& arguments) {
  Status status = Ok{};
  if (arguments.attaches()) {
    const Result<WatchOptions> options = watch_options(arguments);
    if (!options) return fail(options.error(), kExitUsage);
    if (status = Terminal::check(); !status) return fail(status.error(), kExitFailure);
    status = view([&](BoardBox& box, const LogNews& news) { return start_watch_source(*options, box, news); });
  } else {
    const Result<ServiceOptions> options = service_options(arguments);
    if (!options) return fail(options.error(), kExitUsage);
    if (status = Terminal::check(); !status) return fail(status.error(), kExitFailure);
    status = view([&](BoardBox& box, const LogNews&) { return start_service_source(*options, box); });
  }
  return status ? EXIT_SUCCESS : fail(status.error(), kExitFailure);
}

void add_targets(CLI::App& command, TopArguments& arguments, CLI::Option* url, CLI::Option* token) {
  auto* which = command.add_option_group(
      "targets", "Attach to these instead of asking a service; each may be given several times");
  constexpr int kLargestPid = 4'194'304;  // PID_MAX_LIMIT of 64-bit kernels
  which->add_option("--pid", arguments.pids, "A running process, and what it forks")
      ->check(CLI::Range(1, kLargestPid))
      ->excludes(url, token);
  which->add_option("--exe", arguments.exes, "Every process that runs this file, now or later")->excludes(url, token);
  which->add_option("--name", arguments.names, "Every process of this name, now or later")->excludes(url, token);
  which->add_option("--profile", arguments.profile,
                    "How to read the engine: a built-in profile's name or a TOML file (default: picked by its probes)");
  which->add_option("--mode", arguments.mode, "full: starts and ends; light: ends only; auto: inside the budget")
      ->check(CLI::IsMember({"auto", "full", "light"}))
      ->capture_default_str();
  which
      ->add_option("--max-overhead", arguments.budget,
                   "What --mode auto may cost, in percent of the target's CPU, or off")
      ->capture_default_str();
}

}  // namespace

Command add_top_command(CLI::App& app) {
  auto arguments = std::make_shared<TopArguments>();
  CLI::App* command = app.add_subcommand("top", "The same on the whole terminal, of a running service or of a process");
  auto* url = command->add_option("--url", arguments->url, "The service that is asked")->capture_default_str();
  auto* token = command->add_option("--token-file", arguments->token_file, "Holds the token that the service wants");
  command->add_option("--interval", arguments->interval, "Time between two looks")->capture_default_str();
  add_targets(*command, *arguments, url, token);
  command->footer(
      "Keys: arrows and Enter look at one query type, 1 to 8 sort, p pauses, t takes the next target, ? explains, q\n"
      "quits. It needs 80 x 24 at least.\n"
      "Examples:\n"
      "  outrider top\n"
      "  outrider top --url https://db1.example.org --token-file ~/.outrider-token\n"
      "  outrider top --pid 4711\n"
      "  outrider top --name postgres --max-overhead off");
  return [arguments] { return top(*arguments); };
}

}  // namespace outrider
