// What one round of readings gives to every output. Immutable once it is published; plain data.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "userspace/model/agent_figures.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// Made once and read by every output, each in its own thread.
using SharedSnapshot = std::shared_ptr<const Snapshot>;

struct Report {
  std::vector<SharedSnapshot> snapshots;  ///< the newest of every target that has any; none is null
  std::vector<bool> fresh{};              ///< of each snapshot: it is of this round; empty: all are
  std::optional<AgentFigures> agent{};
  std::int64_t time_ms = 0;  ///< Unix time of the agent's figures

  [[nodiscard]] bool is_fresh(std::size_t index) const { return fresh.empty() || fresh[index]; }
};

}  // namespace outrider
