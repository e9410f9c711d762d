#include "userspace/cli/attach_options.h"

#include <cerrno>
#include <initializer_list>
#include <optional>
#include <utility>

#include "userspace/agent/watch_words.h"
#include "userspace/base/units.h"

namespace outrider {
namespace {

constexpr int kLargestPid = 4'194'304;  // PID_MAX_LIMIT of 64-bit kernels
constexpr const char* kProfileHelp =
    "How to read the engine: a built-in profile's name or a TOML file (default: picked by its probes)";

}  // namespace

CLI::Option_group* add_target_options(CLI::App& command, const std::string& description, AttachArguments& arguments) {
  CLI::Option_group* which = command.add_option_group("targets", description);
  which->add_option("--pid", arguments.pids, "A running process, and what it forks")->check(CLI::Range(1, kLargestPid));
  which->add_option("--exe", arguments.exes, "Every process that runs this file, now or later");
  which->add_option("--name", arguments.names, "Every process of this name, now or later");
  return which;
}

Result<std::vector<Profile>> profiles_of(const ProfileArguments& arguments) {
  if (arguments.function.empty()) return choose_profiles(arguments.profile);
  Result<Profile> profile = profile_of_function(arguments.function, arguments.end, arguments.type);
  if (!profile) return Error{"--type: " + profile.error().message, EINVAL};
  return std::vector<Profile>{*std::move(profile)};
}

std::vector<CLI::Option*> add_profile_options(CLI::App& command, ProfileArguments& arguments) {
  CLI::Option* profile = command.add_option("--profile", arguments.profile, kProfileHelp);
  CLI::Option* function = command
                              .add_option("--function", arguments.function,
                                          "Of an engine without a profile: the function, by its symbol or a pattern "
                                          "('exec_*'), that runs a query")
                              ->excludes(profile);
  CLI::Option* end = command
                         .add_option("--end", arguments.end,
                                     "A function that is called when the query is over (default: where --function "
                                     "returns, which only engines without C++ exceptions bear)")
                         ->needs(function);
  CLI::Option* type = command
                          .add_option("--type", arguments.type,
                                      "The query's type: argN:str or argN:int, an argument of --function (default: the "
                                      "function's name)")
                          ->needs(function);
  CLI::Option* library = command.add_flag("--allow-library-returns", arguments.allow_library_returns,
                                          "Probe returns in a shared library (SQLite): every process of the host that "
                                          "has it gets the probes, and one in which a C++ "
                                          "exception leaves such a function is aborted (dangerous)");
  return {profile, function, end, type, library};
}

std::vector<CLI::Option*> add_attach_options(CLI::App& command, AttachArguments& arguments) {
  std::vector<CLI::Option*> options = add_profile_options(command, arguments);
  const std::initializer_list<CLI::Option*> others = {
      command.add_option("--mode", arguments.mode, "full: starts and ends; light: ends only; auto: inside the budget")
          ->check(CLI::IsMember({"auto", "full", "light"}))
          ->capture_default_str(),
      command
          .add_option("--max-overhead", arguments.budget,
                      "What --mode auto may cost, in percent of the target's CPU, or off")
          ->capture_default_str(),
      command
          .add_option(
              "--types", arguments.types,
              "Of engines whose SQL can be read: a type for each first keyword, or for each statement without its data")
          ->check(CLI::IsMember({"keyword", "statement"}))
          ->capture_default_str(),
      command
          .add_option("--types-by", arguments.by,
                      "Whether statements of each database, of each user, or of each pair of both are types of their "
                      "own (PostgreSQL)")
          ->check(CLI::IsMember({"off", "database", "user", "both"}))
          ->capture_default_str(),
      command
          .add_option("--uprobes", arguments.uprobes,
                      "How to attach: many sites with one link where the kernel can, or perf events")
          ->check(CLI::IsMember({"auto", "perf"}))
          ->capture_default_str(),
      command.add_flag("--allow-nop5", arguments.allow_nop5,
                       "Attach to 5-byte nops on kernels where that corrupts the target (dangerous)")};
  options.insert(options.end(), others);
  return options;
}

void add_one_target_options(CLI::App& command, OneTargetArguments& arguments) {
  CLI::Option_group* which = command.add_option_group("target", "What to look at, one of these");
  which->add_option("--pid", arguments.pid, "A running process, and what it forks")->check(CLI::Range(1, kLargestPid));
  which->add_option("--exe", arguments.exe, "Every process that runs this file");
  which->add_option("--name", arguments.name, "Every process of this name");
  which->require_option(1);
  command.add_option("--profile", arguments.profile, kProfileHelp);
}

TargetSpec target_of(const OneTargetArguments& arguments) {
  if (!arguments.pid.empty()) return {TargetSpec::Kind::kPid, arguments.pid};
  if (!arguments.exe.empty()) return {TargetSpec::Kind::kExe, arguments.exe};
  return {TargetSpec::Kind::kName, arguments.name};
}

Result<AttachOptions> attach_options(const OneTargetArguments& arguments) {
  Result<std::vector<Profile>> profiles = choose_profiles(arguments.profile);
  if (!profiles) return profiles.error();
  AttachOptions options;
  options.profiles = *std::move(profiles);
  options.generation = uprobe_generation();
  return options;
}

Result<std::chrono::milliseconds> interval_of(const AttachArguments& arguments) {
  Result<std::chrono::milliseconds> interval = parse_duration(arguments.interval);
  if (!interval) return Error{"--interval: " + interval.error().message, EINVAL};
  if (*interval < std::chrono::milliseconds(100)) {
    return Error{"--interval: 100ms is the shortest; give that or more", EINVAL};
  }
  return interval;
}

Result<WatchOptions> watch_options(const AttachArguments& arguments) {
  WatchOptions options;
  for (const std::string& pid : arguments.pids) options.targets.push_back({TargetSpec::Kind::kPid, pid});
  for (const std::string& exe : arguments.exes) options.targets.push_back({TargetSpec::Kind::kExe, exe});
  for (const std::string& name : arguments.names) options.targets.push_back({TargetSpec::Kind::kName, name});
  const auto interval = interval_of(arguments);
  if (!interval) return interval.error();
  options.interval = *interval;
  const Result<std::optional<double>> budget = parse_budget(arguments.budget);
  if (!budget) return Error{"--max-overhead: " + budget.error().message, EINVAL};
  options.max_overhead_percent = *budget;
  options.mode = mode_of(arguments.mode);
  options.statements = arguments.types == "statement";
  options.attach.by = types_by(arguments.by);
  if (options.attach.by != 0 && !options.statements) {
    return Error{"--types-by: keywords are anybody's; it needs --types statement", EINVAL};
  }
  options.use_uprobe_multi = arguments.uprobes != "perf";
  Result<std::vector<Profile>> profiles = profiles_of(arguments);
  if (!profiles) return profiles.error();
  options.attach.profiles = *std::move(profiles);
  options.attach.generation = uprobe_generation();
  options.attach.allow_nop5 = arguments.allow_nop5;
  options.attach.allow_library_returns = arguments.allow_library_returns;
  return options;
}

}  // namespace outrider
