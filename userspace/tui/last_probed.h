// Where the budget lets the probes be on in one interval of a few, most intervals say nothing about queries. A view
// that is blank most of the time helps nobody: it shows the last ones that were looked at, and of when they are. Not
// thread-safe.
#pragma once

#include <map>
#include <string>

#include "userspace/tui/board.h"

namespace outrider {

class LastProbed {
 public:
  /// Gives each target whose newest interval had no probes (mode "paused") the last one that had.
  void fill(Board& board);

 private:
  std::map<std::string, SharedSnapshot> last_;  ///< of the targets of the newest board
};

}  // namespace outrider
