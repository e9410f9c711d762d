// One watched target: finds its processes, plans and attaches probes, follows restarts and upgrades. Borrowed session
// and attachments must outlive it. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/agent/attachments.h"
#include "userspace/agent/shedding.h"
#include "userspace/target/profile.h"
#include "userspace/target/uprobe_generation.h"

namespace outrider {

/// What the user asked to watch.
struct TargetSpec {
  enum class Kind { kPid, kExe, kName };
  Kind kind = Kind::kPid;
  std::string value;  ///< PID, path or name as typed
};

struct AttachOptions {
  std::vector<Profile> profiles;  ///< to choose from; one only if the user named it
  UprobeGeneration generation = UprobeGeneration::kUnsafeNop5;
  bool allow_nop5 = false;
};

/// Whether what the user named is there at all, before anything is loaded.
Status check_target(const TargetSpec& spec);

class TargetWatch {
 public:
  /// Finds what there is to find and prepares the probes. A pid must run; a path must exist; for a name nothing need
  /// run yet. Nothing is attached until apply().
  static Result<TargetWatch> make(BpfSession& session, Attachments& attachments, const TargetSpec& spec,
                                  const AttachOptions& options);

  [[nodiscard]] const std::string& label() const { return label_; }
  [[nodiscard]] std::uint32_t index() const { return index_; }
  [[nodiscard]] bool light_possible() const { return light_possible_; }
  [[nodiscard]] const std::string& profile() const { return profile_; }
  /// Nothing runs and nothing can come back (a PID that ended).
  [[nodiscard]] bool over() const;
  [[nodiscard]] std::vector<pid_t> processes() const { return session_->processes(index_); }

  /// Attaches and detaches so that the target is probed as `plan` says.
  Status apply(const ProbePlanForInterval& plan);

  /// Detaches for good; the target's counters stay readable.
  void release();

  /// Looks for processes that were started or replaced since. Returns sentences on what changed.
  std::vector<std::string> refresh();

 private:
  TargetWatch(BpfSession& session, Attachments& attachments, TargetSpec spec, AttachOptions options)
      : session_(&session), attachments_(&attachments), spec_(std::move(spec)), options_(std::move(options)) {}

  Status adopt(Process process);
  Status adopt_children(pid_t parent);
  Status enter_process(pid_t pid);
  Status prepare_file(const FileKey& key, std::vector<ProbeFile> files);
  Status prepare_path();
  void describe_plan(const ProbePlan& plan) const;

  BpfSession* session_;
  Attachments* attachments_;
  TargetSpec spec_;
  AttachOptions options_;
  std::uint32_t index_ = 0;
  std::string label_;
  std::string profile_;
  bool light_possible_ = false;
  std::vector<FileKey> files_;
  std::vector<FileKey> executables_;
  ProbePlanForInterval applied_;
  bool any_applied_ = false;
  Fd pidfd_;
};

}  // namespace outrider
