#include "userspace/agent/one_target.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Result<OneTarget> OneTarget::make(const WatchTarget& target, bool use_uprobe_multi) {
  const Features features = probe_features();
  if (Status status = check_features(features); !status) return status.error();
  if (Status status = check_target(target.spec); !status) return status.error();
  Result<std::unique_ptr<Watcher>> watcher = Watcher::make(features, use_uprobe_multi);
  if (!watcher) return watcher.error();
  WatchTarget wanted = target;
  wanted.mode = WatchMode::kFull;
  wanted.max_overhead_percent.reset();
  const Result<std::uint32_t> added = (*watcher)->add(wanted);
  if (!added) return added.error();
  return OneTarget(std::move(*watcher), *added);
}

bool OneTarget::pass_round(Clock::time_point end, const WaitUntil& wait, std::vector<Reading>& readings) {
  constexpr std::chrono::seconds kRound{1};
  if (wait(std::min<Clock::time_point>(end, Clock::now() + kRound))) return true;
  watcher_->sweep();
  if (Status status = watcher_->tick_all(readings); !status) spdlog::error("{}", status.error().message);
  return watcher_->all_over();
}

void OneTarget::release() {
  if (watcher_->all_over()) {
    for (const std::string& reason : watcher_->why_over()) spdlog::warn("{}", reason);
  }
  watcher_->release();
}

}  // namespace outrider
