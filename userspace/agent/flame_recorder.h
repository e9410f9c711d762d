// Collects the stacks of one target into a flame graph. Borrowed watcher must outlive it. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "userspace/agent/unwind_loader.h"
#include "userspace/agent/watcher.h"
#include "userspace/base/result.h"
#include "userspace/kernel/stack_sampler.h"
#include "userspace/model/flame.h"
#include "userspace/symbols/symbolizer.h"

namespace outrider {

struct FlameRequest {
  std::string type;  ///< empty: all query types
  SamplerOptions sampler;
};

class FlameRecorder {
 public:
  /// Begins to sample `target` of the watcher, called `label`. Errors: it is not watched in full mode now; the kernel
  /// refuses.
  static Result<FlameRecorder> make(Watcher& watcher, std::uint32_t target, const std::string& label,
                                    const FlameRequest& request);

  /// To be called every second, before the watcher reads: stacks are given names while their processes live, and those
  /// of their types while these have them.
  void collect();
  /// To be called after the watcher has read: follows processes that came.
  void follow() { unwinding_.update(sampler_, watcher_->processes(target_)); }

  /// Ends the sampling. Once.
  FlameGraph finish();

  [[nodiscard]] const FlameGraph& graph() const { return graph_; }
  /// Query types of all stacks so far, those that were not asked for too.
  [[nodiscard]] std::vector<std::string> types_seen() const;
  /// What was waited for, nanoseconds by wait class.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& wait_classes() const { return wait_classes_; }

 private:
  FlameRecorder(Watcher& watcher, std::uint32_t target, StackSampler sampler)
      : watcher_(&watcher), target_(target), sampler_(std::move(sampler)) {}

  void add(const std::vector<SampledStack>& stacks);
  void add(const SampledStack& stack);
  [[nodiscard]] bool is_wanted(const SampledStack& stack) const;
  std::vector<std::string> name_kernel_frames(const SampledStack& stack);
  [[nodiscard]] std::string type_name(std::uint32_t slot) const;

  Watcher* watcher_;
  std::uint32_t target_;
  StackSampler sampler_;
  FlameGraph graph_;
  Symbolizer symbolizer_;
  UnwindLoader unwinding_;
  std::map<std::uint32_t, std::string> types_;  // by slot
  std::map<std::string, std::uint64_t> seen_;   // stacks by type
  std::map<std::string, std::uint64_t> wait_classes_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace outrider
