// The top of the screen: who is watched, how it does, what is wrong, and what the watching costs. Pure, thread-safe.
#pragma once

#include <cstddef>
#include <vector>

#include "userspace/tui/board.h"
#include "userspace/tui/line.h"
#include "userspace/tui/view.h"

namespace outrider {

inline constexpr std::size_t kHeaderLines = 7;

/// kHeaderLines lines of `width` columns.
std::vector<Line> header(const View& view, const Board& board, std::size_t width);

}  // namespace outrider
