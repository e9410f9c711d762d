// The table of query types. Pure but for the view, which is settled on what is there; not thread-safe.
#pragma once

#include <cstddef>
#include <vector>

#include "userspace/tui/board.h"
#include "userspace/tui/line.h"
#include "userspace/tui/view.h"

namespace outrider {

/// Its heading and as many rows as fit into `lines`, of `width` columns.
std::vector<Line> type_table(View& view, const Board& board, std::size_t lines, std::size_t width, bool unicode);

}  // namespace outrider
