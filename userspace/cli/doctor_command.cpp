#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "userspace/cli/attach_options.h"
#include "userspace/cli/commands.h"
#include "userspace/kernel/bpf_session.h"
#include "userspace/kernel/features.h"
#include "userspace/kernel/return_probes.h"
#include "userspace/kernel/trap_cost.h"
#include "userspace/model/utf8.h"
#include "userspace/target/probe_plan.h"
#include "userspace/target/process.h"
#include "userspace/target/profile.h"

namespace outrider {
namespace {

/// Prints findings and remembers whether one of them rules an attach out.
class Report {
 public:
  void good(const std::string& what, const std::string& finding) { print("ok", what, finding); }
  void note(const std::string& what, const std::string& finding) { print("note", what, finding); }
  void bad(const std::string& what, const std::string& finding) {
    print("NO", what, finding);
    works_ = false;
  }
  [[nodiscard]] bool works() const { return works_; }

 private:
  static void print(const char* mark, const std::string& what, const std::string& finding) {
    fmt::print("{:<5} {:<16} {}\n", mark, what, log_text(finding));
  }
  bool works_ = true;
};

const char* describe(UprobeGeneration generation) {
  switch (generation) {
    case UprobeGeneration::kNone:
      return "traps only; every nop site is safe";
    case UprobeGeneration::kUnsafeNop5:
      return "5-byte nop sites would corrupt the target on this kernel and are refused; others are safe";
    case UprobeGeneration::kSafeNop10:
      return "10-byte nop sites are optimised, safely";
  }
  return "";
}

/// The session, if programs can be loaded here.
std::optional<BpfSession> check_kernel(Report& report) {
  const Features features = probe_features();
  if (Status status = check_features(features); !status) {
    report.bad("kernel", status.error().message);
    return std::nullopt;
  }
  report.good("kernel", fmt::format("{} with BTF, task storage, cookies and iterators", features.kernel_release));
  report.good("privileges", fmt::format("BPF programs may be loaded (user id {})", geteuid()));
  if (features.uprobe_multi) {
    report.good("uprobes", "many sites with one link (uprobe_multi)");
  } else {
    report.note("uprobes",
                "perf events, one a site: attaching and detaching many takes longer, CAP_SYS_ADMIN is needed");
  }
  report.good("probe sites", describe(uprobe_generation()));
  Result<BpfSession> session = BpfSession::make({.use_uprobe_multi = features.uprobe_multi});
  if (!session) {
    report.bad("programs", session.error().message);
    return std::nullopt;
  }
  report.good("programs", fmt::format("loaded; maps take {:.1f} MiB of kernel memory",
                                      static_cast<double>(session->map_bytes()) / 1048576));
  Result<double> trap = measure_trap(*session);
  if (!trap) {
    report.bad("a probe hit", trap.error().message);
  } else {
    report.good("a probe hit", fmt::format("costs {:.0f} ns on this machine", *trap));
  }
  const std::string refused = return_probes_refused(*session);
  if (refused.empty()) {
    report.good("return probes", "safe on this kernel, for engines whose profile has any");
  } else {
    report.note("return probes", refused);
  }
  return std::move(*session);
}

std::string advice(const ElfProbes& probes) {
  if (probes.has_notes) return "its probes are not ours to read: write a profile and give it with --profile FILE";
  return "build it with outrider's probe header (usdt/PROBES.md), or install a build with USDT probes";
}

/// Why none of the files can be attached to: of the first one that a profile fits, else of the first.
struct Reason {
  std::string text;
  bool fits = false;
};

// Whether one file of the process could be attached to; says what would be.
bool check_file(const ProbeFile& file, const std::vector<Profile>& profiles, const PlanOptions& planning,
                Report& report, Reason& reason) {
  // As a watch does: one that was named is taken at its word.
  Result<std::size_t> picked = profiles.size() > 1 ? pick_profile(file.probes, profiles) : Result<std::size_t>(0);
  if (!picked) {
    if (reason.text.empty()) reason.text = picked.error().message;
    return false;
  }
  const Profile& profile = profiles[*picked];
  Result<ProbePlan> plan = plan_file(file.fd.get(), file.path, file.probes, profile, planning);
  if (!plan) {
    if (!reason.fits) reason = {plan.error().message, true};
    return false;
  }
  report.good("profile",
              fmt::format("{} ({}): {} sites in {}", profile.name, profile.description, plan->sites.size(), file.path));
  for (const UnusableSite& site : plan->unusable) {
    report.note("left out", fmt::format("{}:{} at {:#x}: {}", site.provider, site.probe, site.offset, site.reason));
  }
  for (const std::string& absent : plan->absent) report.note("absent", absent + ": what it would tell is missing");
  if (!plan->light_possible) report.note("light mode", "not possible: the end probe carries no duration");
  return true;
}

struct DoctorArguments : ProfileArguments {
  pid_t pid = 0;
};

void check_process(const DoctorArguments& arguments, const std::vector<Profile>& profiles, BpfSession* session,
                   Report& report) {
  Result<Process> process = open_process(arguments.pid);
  if (!process) {
    report.bad("process", process.error().message);
    return;
  }
  report.good("process", fmt::format("{} {} ({} threads)", process->pid, process->exe_path, process->threads));
  if (Status status = check_confinement(*process); !status) return report.bad("threads", status.error().message);
  if (process->exe_deleted) report.note("executable", "replaced since it was started; attached through /proc/PID/exe");
  Result<ProbeFiles> files = probe_files(*process, functions_of(profiles));
  if (!files) {
    report.bad("executable", files.error().message);
    return;
  }
  for (const std::string& unreadable : files->unreadable) report.note("library", unreadable);
  PlanOptions planning{.generation = uprobe_generation()};
  Reason reason;
  for (const ProbeFile& file : files->files) {
    const bool library = &file != &files->files.front();
    const ReturnPlace place{files->throws, files->unread, library ? file.path : "", arguments.allow_library_returns,
                            files->shadow_stack};
    if (session != nullptr) planning.no_returns = returns_refused(*session, place);
    if (check_file(file, profiles, planning, report, reason)) return;
  }
  const ElfProbes& executable = files->files.front().probes;
  if (!arguments.function.empty()) return report.bad("functions", reason.text);
  if (!arguments.profile.empty() && executable.has_notes) return report.bad("probes", reason.text);
  const char* stripped = executable.stripped && !executable.has_notes ? " (the file is stripped as well)" : "";
  report.bad("probes", fmt::format("{}{}; {}", reason.text, stripped, advice(executable)));
}

std::string next_step(const Report& report, const DoctorArguments& arguments) {
  if (!report.works()) return "It would not work: see the lines marked NO.";
  if (arguments.pid == 0) return "This machine is fine. Give a process too: outrider doctor --pid PID";
  std::string how;
  const auto add = [&](const char* option, const std::string& value) {
    const bool plain = value.find_first_of("*?[ ") == std::string::npos;
    if (!value.empty()) how += fmt::format(" --{0} {2}{1}{2}", option, value, plain ? "" : "'");
  };
  add("profile", arguments.profile);
  add("function", arguments.function);
  add("end", arguments.end);
  add("type", arguments.type);
  if (arguments.allow_library_returns) how += " --allow-library-returns";
  return fmt::format("It would work: outrider watch --pid {}{}", arguments.pid, how);
}

int doctor(const DoctorArguments& arguments) {
  const Result<std::vector<Profile>> profiles = profiles_of(arguments);
  if (!profiles) {
    spdlog::error("{}", profiles.error().message);
    return kExitUsage;
  }
  Report report;
  std::optional<BpfSession> session = check_kernel(report);
  if (arguments.pid != 0) check_process(arguments, *profiles, session ? &*session : nullptr, report);
  fmt::print("\n{}\n", next_step(report, arguments));
  return report.works() ? EXIT_SUCCESS : kExitFailure;
}

}  // namespace

Command add_doctor_command(CLI::App& app) {
  auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* command =
      app.add_subcommand("doctor", "Say whether attaching would work here, and to a process, and why not");
  command->add_option("--pid", arguments->pid, "The process to look at")->check(CLI::PositiveNumber);
  add_profile_options(*command, *arguments);
  command->footer("Exit code 0 only if it would work.");
  return [arguments] { return doctor(*arguments); };
}

}  // namespace outrider
