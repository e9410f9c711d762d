// One target, watched for a while to record something of its queries. Runs on the caller's thread; not thread-safe.
// Needs the privileges of BpfSession.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "userspace/agent/watch.h"
#include "userspace/agent/watcher.h"
#include "userspace/base/result.h"

namespace outrider {

class OneTarget {
 public:
  /// Attaches in full mode, for a query's start must be seen to know who is in one, and with no budget. Errors: as
  /// Watcher::add, or this kernel cannot do it.
  static Result<OneTarget> make(const WatchTarget& target, bool use_uprobe_multi);

  [[nodiscard]] Watcher& watcher() { return *watcher_; }
  [[nodiscard]] std::uint32_t index() const { return index_; }

  /// Waits for a second, or until `end`, and reads. True: the user wants to stop, or nothing is left to look at.
  bool pass_round(std::chrono::steady_clock::time_point end, const WaitUntil& wait, std::vector<Reading>& readings);

  /// Detaches, and says so if the target is gone.
  void release();

 private:
  OneTarget(std::unique_ptr<Watcher> watcher, std::uint32_t index) : watcher_(std::move(watcher)), index_(index) {}

  std::unique_ptr<Watcher> watcher_;
  std::uint32_t index_;
};

}  // namespace outrider
