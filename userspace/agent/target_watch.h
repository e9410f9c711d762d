// One watched target: finds its processes, plans and attaches probes, follows restarts and upgrades. Borrowed session
// and attachments must outlive it. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/agent/attachments.h"
#include "userspace/agent/find_processes.h"
#include "userspace/agent/shedding.h"
#include "userspace/kernel/return_probes.h"
#include "userspace/target/profile.h"
#include "userspace/target/uprobe_generation.h"

namespace outrider {

struct AttachOptions {
  std::vector<Profile> profiles;  ///< to choose from; one only if the user named it
  UprobeGeneration generation = UprobeGeneration::kUnsafeNop5;
  bool allow_nop5 = false;
  bool allow_library_returns = false;  ///< the same for returns in shared libraries: see returns_refused()
  std::uint32_t by = 0;                ///< OUTRIDER_BY_*: whose statements are types of their own
  bool light_only = false;             ///< the user insists on light mode: what cannot be watched so is refused
};

class TargetWatch {
 public:
  /// Finds what there is to find and prepares the probes. A pid must run; a path must exist; for a name nothing need
  /// run yet. Nothing is attached until apply().
  static Result<TargetWatch> make(BpfSession& session, Attachments& attachments, const TargetSpec& spec,
                                  const AttachOptions& options);

  [[nodiscard]] const std::string& label() const { return label_; }
  /// What the label would be if no other target were called the same; the second of one name is "NAME#2".
  [[nodiscard]] const std::string& named() const { return named_; }
  void rename(const std::string& name) { label_ = named_ = name; }
  void number(std::ptrdiff_t among) { label_ = among > 1 ? named_ + "#" + std::to_string(among) : named_; }
  [[nodiscard]] std::uint32_t index() const { return index_; }
  /// With every file probed so far, and some is.
  [[nodiscard]] bool light_possible() const;
  [[nodiscard]] const std::string& profile() const { return profile_; }
  /// The texts of its queries can be shown without their literals.
  [[nodiscard]] outrider_sql_dialect sql_dialect() const { return sql_dialect_; }
  [[nodiscard]] bool titles_are_known() const { return postgresql_titles_; }
  [[nodiscard]] std::uint32_t by() const { return options_.by; }
  /// Of the file that was probed last: the newest program of the target. Empty: it has none.
  [[nodiscard]] const std::string& build_id() const { return build_id_; }
  /// Nothing runs and nothing can come back (a PID that ended, or that runs another program now), or it must not be
  /// probed any more.
  [[nodiscard]] bool over(const std::vector<pid_t>& processes) const;
  [[nodiscard]] bool unsafe() const { return !unsafe_.empty(); }
  /// One sentence with the next step, once over().
  [[nodiscard]] std::string why_over() const;
  [[nodiscard]] std::vector<pid_t> processes() const { return session_->processes(index_); }
  /// No process of it runs, and the kernel will not say when there is one: refresh() has to look.
  [[nodiscard]] bool has_to_be_sought() const;

  /// Attaches and detaches so that the target is probed as `plan` says.
  Status apply(const ProbePlanForInterval& plan);

  /// Detaches for good; the target's counters stay readable.
  void release();

  /// Looks for processes that were started or replaced since. Returns sentences on what changed.
  std::vector<std::string> refresh();

  /// These files are probed no more. refresh() finds what comes after them.
  void forget(const std::vector<Attachments::Gone>& gone);

 private:
  using Clock = std::chrono::steady_clock;

  /// An executable whose processes belong to the target.
  struct Executable {
    std::uint64_t files = 0;  ///< probed files that a process of it has mapped, by bit
    bool own = false;         ///< it is one of them; else its libraries are, and each process may have others
  };

  /// A process that cannot be watched now. It may load its engine's library yet, or become the engine by an exec.
  struct Refusal {
    std::uint64_t start_ticks = 0;
    FileKey exe;
    Clock::time_point next_try;
    std::chrono::seconds pause{2};
  };

  TargetWatch(BpfSession& session, Attachments& attachments, TargetSpec spec, AttachOptions options)
      : session_(&session), attachments_(&attachments), spec_(std::move(spec)), options_(std::move(options)) {}

  Status adopt_all(std::vector<Process> found);
  Status adopt(Process process);
  Status adopt_children(pid_t parent);
  Status enter_process(pid_t pid, std::uint64_t files);
  Result<std::uint64_t> examine(const Process& process);
  Result<std::uint64_t> prepare_files(ProbeFiles files);
  Status prepare_file(ProbeFile& file, const Profile& profile, const ReturnPlace& place);
  Status judge_all_that_run(const ProbeFile& file, ReturnPlace place) const;
  Status is_safe_now(const ProbeFile& file, ReturnPlace place);
  Status want(const FileKey& file);
  Status probe(const FileKey& file, const ProbePlanForInterval& plan);
  [[nodiscard]] bool has_ended() const;  ///< the process that was named: another may have its number now
  Status prepare_path();
  void look_at_path();
  void refuse(const Process& process);
  [[nodiscard]] bool refused(const Process& process) const;
  [[nodiscard]] std::uint64_t files_of(const FileKey& exe) const;
  void describe_plan(const ProbePlan& plan, const std::string& path) const;
  void say_once(const std::string& message);

  BpfSession* session_;
  Attachments* attachments_;
  TargetSpec spec_;
  AttachOptions options_;
  std::uint32_t index_ = 0;
  std::string label_;
  std::string named_;
  std::string unsafe_;  ///< why its probes were taken off for good; empty: they were not
  std::string profile_;
  std::string build_id_;
  outrider_sql_dialect sql_dialect_ = OUTRIDER_SQL_NONE;
  bool postgresql_titles_ = false;
  std::map<FileKey, bool> files_;  // probed; whether light mode is possible with it
  std::set<FileKey> returns_;      // of those, with returns
  std::map<FileKey, Executable> executables_;
  std::map<pid_t, Refusal> refused_;
  std::set<pid_t> examined_;  // of executables whose libraries are probed
  std::set<std::string> said_;
  FileKey path_key_;
  std::optional<ProbePlanForInterval> applied_;
  bool forgotten_ = false;  // files were, since the last refresh
  bool settled_ = false;    // every file is probed as `applied_` says
  Fd pidfd_;
};

}  // namespace outrider
