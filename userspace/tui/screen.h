// The whole screen, as plain data. Pure but for the view, which is settled on what is there; not thread-safe.
#pragma once

#include <cstddef>
#include <optional>

#include "userspace/tui/board.h"
#include "userspace/tui/line.h"
#include "userspace/tui/series.h"
#include "userspace/tui/view.h"

namespace outrider {

inline constexpr std::size_t kLeastLines = 24;
inline constexpr std::size_t kLeastColumns = 80;

struct ScreenSize {
  std::size_t lines = 0, columns = 0;
};

/// At most `size.lines` lines of at most `size.columns` columns. A screen that is too small says so. `unicode`: the
/// terminal shows UTF-8.
Screen draw(View& view, const Board& board, const Series& series, ScreenSize size, bool unicode);

}  // namespace outrider
