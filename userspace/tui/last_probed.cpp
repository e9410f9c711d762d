#include "userspace/tui/last_probed.h"

#include <utility>

namespace outrider {

void LastProbed::fill(Board& board) {
  std::map<std::string, SharedSnapshot> kept;
  for (BoardTarget& target : board.targets) {
    if (!target.snapshot) continue;
    if (target.snapshot->overhead.mode != "paused") {
      kept[target.name] = target.snapshot;
    } else if (const auto before = last_.find(target.name); before != last_.end()) {
      target.probed = kept[target.name] = before->second;
    }
  }
  last_ = std::move(kept);
}

}  // namespace outrider
