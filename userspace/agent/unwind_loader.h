// Gives a stack sampler what it needs to find callers in processes: each mapped file's table once, and what each
// process has mapped where. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "userspace/kernel/stack_sampler.h"
#include "userspace/symbols/process_maps.h"

namespace outrider {

class UnwindLoader {
 public:
  explicit UnwindLoader(std::string procfs = "/proc") : procfs_(std::move(procfs)) {}

  /// Looks at those of `processes` that were not looked at before, or are to be looked at again.
  void update(StackSampler& sampler, const std::vector<pid_t>& processes);

  /// A stack of it could not be followed: it may have mapped another library since.
  void look_again(pid_t pid) { known_.erase(pid); }

  /// Files whose tables had no room.
  [[nodiscard]] std::size_t files_left_out() const { return files_left_out_; }
  /// Processes that had no room, or not with all that they have mapped: the rest is followed by frame pointer alone.
  [[nodiscard]] std::size_t processes_left_out() const { return processes_left_out_.size(); }

 private:
  struct Image {
    std::uint64_t linked = 0;
    std::uint32_t first_row = 0;
    std::uint32_t rows = 0;
  };
  using Key = std::tuple<std::string, std::uint64_t, std::string, std::uint64_t>;  // device, inode, path, offset

  Image image_of(StackSampler& sampler, pid_t pid, const ExecutableMapping& mapping);

  std::string procfs_;
  std::map<Key, Image> images_;
  std::set<pid_t> known_;
  std::size_t files_left_out_ = 0;
  std::set<pid_t> processes_left_out_;
};

}  // namespace outrider
