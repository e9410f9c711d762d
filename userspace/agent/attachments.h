// The probed files. Probes sit on a file, not on a process: two targets that run the same file share its probes, and a
// group of them is attached while any target wants it. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"
#include "userspace/kernel/bpf_session.h"
#include "userspace/target/probe_plan.h"
#include "userspace/target/process.h"

namespace outrider {

class Attachments {
 public:
  explicit Attachments(BpfSession& session) : session_(&session) {}

  [[nodiscard]] bool has(const FileKey& file) const { return files_.contains(file); }

  /// Takes over `fd` and prepares its probes; nothing is attached until a target wants a group.
  Status add(const FileKey& file, Fd fd, const ProbePlan& plan);

  /// `target` wants exactly these groups of `file`. The error is that of a group that could not be attached.
  Status want(const FileKey& file, std::uint32_t target, const std::set<ProbeGroup>& groups);

  /// Detaches what only `target` wanted and forgets files that nobody wants.
  void release(std::uint32_t target);

  /// Sites that the kernel refused, with reasons.
  [[nodiscard]] std::vector<std::string> skipped(const FileKey& file) const;

 private:
  struct File {
    Fd fd;  ///< keeps "/proc/self/fd/N" valid
    ProbeSet probes;
    std::map<std::uint32_t, std::set<ProbeGroup>> wanted;
  };
  Status apply(File& file);

  BpfSession* session_;
  std::map<FileKey, File> files_;
};

}  // namespace outrider
