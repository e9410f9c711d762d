// The probed files. Probes sit on a file, not on a process: two targets that run the same file share its probes, and a
// group of them is attached while any target wants it. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/base/file_version.h"
#include "userspace/base/result.h"
#include "userspace/kernel/bpf_session.h"
#include "userspace/target/probe_plan.h"
#include "userspace/target/process.h"

namespace outrider {

class Attachments {
 public:
  explicit Attachments(BpfSession& session) : session_(&session) {}

  [[nodiscard]] bool has(const FileKey& file) const { return files_.contains(file); }
  /// As in outrider_process::files; 0: not prepared.
  [[nodiscard]] std::uint64_t bit(const FileKey& file) const;

  /// Takes over `fd` and prepares its probes; nothing is attached until a target wants a group. For a file that is
  /// there already `plan` must be the one that it was added with: a file has one set of probes. `version`: from before
  /// the plan was made. Errors: EEXIST, another plan; EAGAIN, the file is being written, or was.
  Status add(const FileKey& file, Fd fd, const FileVersion& version, const ProbePlan& plan);

  /// `target` wants exactly these groups of `file`. The error is that of query probes that could not be attached.
  Status want(const FileKey& file, std::uint32_t target, const std::set<ProbeGroup>& groups);

  /// Detaches all probes of files of this content that have some at returns, whoever wants them; sweep() tells the
  /// others. False: there is none.
  bool forbid(const FileVersion& version, const std::string& why);

  /// A process has these files mapped, by bit.
  void note_use(std::uint64_t files);

  /// Detaches what only `target` wanted and forgets files that nobody wants.
  void release(std::uint32_t target);

  struct Gone {
    FileKey key;
    std::uint64_t bit = 0;
    std::string path;
    bool rewritten = false;  ///< else: nothing runs it any more
    std::string forbidden;   ///< or else: why it must not be probed
  };
  /// Detaches and forgets files whose content somebody is about to change in place, for the kernel would go on to put
  /// breakpoints where instructions used to begin; files that were removed and that none of `in_use` is; and files that
  /// have not been run for a while where all their targets run others (containers and deployments leave theirs). The
  /// writer waits until this has been called (a file lease), for /proc/sys/fs/lease-break-time at the longest: call
  /// it every second.
  std::vector<Gone> sweep(std::uint64_t in_use);

  /// Sites that the kernel refused, with reasons.
  [[nodiscard]] std::vector<std::string> skipped(const FileKey& file) const;

 private:
  struct File {
    Fd fd;  ///< keeps "/proc/self/fd/N" valid
    std::string path;
    std::uint64_t bit = 0;
    FileVersion content;  ///< when it was planned
    bool leased = false;
    std::optional<std::chrono::steady_clock::time_point> used;  ///< when a process last had it
    std::string forbidden;                                      ///< why it must not be probed; empty: it may
    ProbePlan plan;
    ProbeSet probes;
    std::map<std::uint32_t, std::set<ProbeGroup>> wanted;
  };
  Status apply(File& file);
  [[nodiscard]] bool is_left(const File& file, std::uint64_t in_use, std::chrono::steady_clock::time_point now) const;
  Status mark_twins();

  BpfSession* session_;
  std::map<FileKey, File> files_;
};

}  // namespace outrider
