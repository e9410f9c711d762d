#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

#include "userspace/cli/commands.h"
#include "userspace/model/utf8.h"
#include "userspace/target/probe_plan.h"
#include "userspace/target/process.h"
#include "userspace/target/profile.h"

namespace outrider {
namespace {

struct ProbesArguments {
  pid_t pid = 0;
  std::string exe;
};

Result<ProbeFiles> open_files(const ProbesArguments& arguments, const FunctionNames& functions) {
  if (arguments.pid != 0) {
    Result<Process> process = open_process(arguments.pid);
    if (!process) return process.error();
    return probe_files(*process, functions);
  }
  ProbeFile file;
  file.fd = Fd(open(arguments.exe.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.fd.valid()) return Error::from_errno(errno, "open " + arguments.exe);
  Result<ElfProbes> probes = read_probes(file.fd.get(), arguments.exe, functions);
  if (!probes) return probes.error();
  file.path = arguments.exe;
  file.probes = std::move(*probes);
  ProbeFiles files;
  files.files.push_back(std::move(file));
  return files;
}

void print_file(const ProbeFile& file, UprobeGeneration generation) {
  fmt::print("{}: {} probe sites{}\n", without_controls(file.path), file.probes.probes.size(),
             file.probes.stripped ? ", stripped" : "");
  if (!file.probes.build_id.empty()) fmt::print("  build-id {}\n", file.probes.build_id);
  for (const ElfProbe& probe : file.probes.probes) {
    const SiteCode code = classify_site({probe.code.data(), probe.code_size}, file.probes.machine);
    const SiteVerdict verdict = decide_site(code, generation);
    fmt::print("  {}:{}  at {:#x}  {}  semaphore {}  {}{}\n", probe.provider, probe.name, probe.offset,
               site_code_name(code), probe.semaphore_offset != 0 ? "yes" : "no",
               verdict.usable ? "" : "REFUSED: ", verdict.consequence);
    if (!probe.args.empty()) fmt::print("      arguments {}\n", probe.args);
  }
  for (const SkippedNote& note : file.probes.skipped) fmt::print("  {} cannot be used: {}\n", note.probe, note.reason);
  if (file.probes.skipped_count > file.probes.skipped.size()) {
    fmt::print("  and {} more\n", file.probes.skipped_count - file.probes.skipped.size());
  }
}

void print_fit(const ProbeFile& file, const std::vector<Profile>& profiles, UprobeGeneration generation) {
  Result<std::size_t> picked = pick_profile(file.probes, profiles);
  if (!picked) {
    fmt::print("  no built-in profile fits: {}\n", picked.error().message);
    return;
  }
  const Profile& profile = profiles[*picked];
  Result<ProbePlan> plan =
      plan_file(file.fd.get(), file.path, file.probes, profile, {.generation = generation, .allow_nop5 = false});
  if (!plan) {
    fmt::print("  profile {}: {}\n", profile.name, plan.error().message);
    return;
  }
  fmt::print("  profile {}: {} sites would be attached, {} left out; light mode {}\n", profile.name, plan->sites.size(),
             plan->unusable.size(), plan->light_possible ? "possible" : "not possible (no duration at the end probe)");
  const auto returns =
      std::count_if(plan->sites.begin(), plan->sites.end(), [](const PlannedSite& site) { return site.at_return; });
  if (returns > 0) {
    fmt::print("    {} of them at returns, which are not safe in every process: `outrider doctor --pid PID` decides\n",
               returns);
  }
  for (const UnusableSite& site : plan->unusable) {
    fmt::print("    {}:{} at {:#x}: {}\n", site.provider, site.probe, site.offset, site.reason);
  }
}

int probes(const ProbesArguments& arguments) {
  const Result<std::vector<Profile>> profiles = builtin_profiles();
  if (!profiles) {
    spdlog::error("{}", profiles.error().message);
    return kExitFailure;
  }
  Result<ProbeFiles> files = open_files(arguments, functions_of(*profiles));
  if (!files) {
    spdlog::error("{}", files.error().message);
    return kExitFailure;
  }
  const UprobeGeneration generation = uprobe_generation();
  bool any = false;
  for (const ProbeFile& file : files->files) {
    print_file(file, generation);
    if (file.probes.probes.empty()) continue;
    print_fit(file, *profiles, generation);
    any = true;
  }
  for (const std::string& unreadable : files->unreadable) spdlog::warn("{}", unreadable);
  if (any) return EXIT_SUCCESS;
  spdlog::error(
      "there are no USDT probes: build the engine with outrider's probe header, or take a package with probes");
  return kExitFailure;
}

}  // namespace

Command add_probes_command(CLI::App& app) {
  auto arguments = std::make_shared<ProbesArguments>();
  CLI::App* command = app.add_subcommand("probes", "List what can be attached to, with arguments and instructions");
  auto* which = command->add_option_group("file", "Where to look");
  which->add_option("--pid", arguments->pid, "The executable and libraries of this process")
      ->check(CLI::PositiveNumber);
  which->add_option("--exe", arguments->exe, "This file");
  which->require_option(1);
  return [arguments] { return probes(*arguments); };
}

}  // namespace outrider
