// One query type on a page of its own. Pure, thread-safe.
#pragma once

#include <cstddef>
#include <vector>

#include "userspace/tui/board.h"
#include "userspace/tui/line.h"
#include "userspace/tui/series.h"
#include "userspace/tui/view.h"

namespace outrider {

/// `lines` lines: the type's figures, its waits as numbers, and its p99 and rate over the last minutes.
std::vector<Line> type_page(const View& view, const Board& board, const Series& series, std::size_t lines,
                            std::size_t width, bool unicode);

}  // namespace outrider
