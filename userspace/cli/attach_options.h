// The options that commands share: which engines, and how to attach to them. Plain values, no shared state.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "userspace/agent/watch.h"
#include "userspace/base/result.h"

namespace outrider {

/// How the engine is to be read.
struct ProfileArguments {
  std::string profile, function, end, type;
  bool allow_library_returns = false;
};

/// What was typed, unchecked but for what the command line itself can check.
struct AttachArguments : ProfileArguments {
  std::vector<std::string> pids, exes, names;
  std::string interval = "1s", mode = "auto", budget = "3%", uprobes = "auto", types = "statement", by = "off";
  bool allow_nop5 = false;

  [[nodiscard]] bool names_a_target() const { return !pids.empty() || !exes.empty() || !names.empty(); }
};

/// --pid, --exe and --name in a group of their own, which is returned. `arguments` is borrowed for as long as `command`
/// is used; the same holds below.
CLI::Option_group* add_target_options(CLI::App& command, const std::string& description, AttachArguments& arguments);

/// --profile, or --function with --end and --type; which are returned.
std::vector<CLI::Option*> add_profile_options(CLI::App& command, ProfileArguments& arguments);
/// Error: there is no such profile, or it is wrong, or --type is.
Result<std::vector<Profile>> profiles_of(const ProfileArguments& arguments);

/// Those, --mode, --max-overhead, --types, --types-by, --uprobes and --allow-nop5, which are returned.
std::vector<CLI::Option*> add_attach_options(CLI::App& command, AttachArguments& arguments);

/// What `outrider flame` and `outrider slow` look at.
struct OneTargetArguments {
  std::string pid, exe, name, profile;
};

/// --pid, --exe and --name, one of which must be given, and --profile.
void add_one_target_options(CLI::App& command, OneTargetArguments& arguments);

TargetSpec target_of(const OneTargetArguments& arguments);
/// Error: there is no such profile, or it is wrong.
Result<AttachOptions> attach_options(const OneTargetArguments& arguments);

/// --interval. Errors: not a duration, or too short.
Result<std::chrono::milliseconds> interval_of(const AttachArguments& arguments);

/// Without a duration: until stopped. Errors name the option and say what it takes.
Result<WatchOptions> watch_options(const AttachArguments& arguments);

}  // namespace outrider
