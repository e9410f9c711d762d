// What the user has chosen to see, and what keys do to it. Plain data and pure functions; not thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "userspace/tui/board.h"
#include "userspace/tui/type_rows.h"

namespace outrider {

enum class Key {
  kNone,
  kUnknown,
  kCharacter,
  kUp,
  kDown,
  kLeft,
  kRight,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kEnter,
  kBack,
  kTab
};  // kNone: nothing was pressed

struct KeyPress {
  Key key = Key::kNone;
  char character = 0;  ///< with kCharacter
};

enum class Page { kTable, kType, kHelp };

struct View {
  std::string target;  ///< empty: the first one
  TypeColumn sort = TypeColumn::kShare;
  bool reversed = false;
  std::string selected;          ///< the type that the user went to; empty: whichever is on `row`
  std::size_t row = 0;           ///< where the selection was last seen
  std::size_t first_row = 0;     ///< that is on the screen
  std::size_t visible_rows = 1;  ///< of the table, as it was last drawn
  Page page = Page::kTable;
  std::string type;  ///< on Page::kType
  bool paused = false;
};

/// The target that the view shows; null if the board has none.
const BoardTarget* shown_target(const View& view, const Board& board);

/// Its types in the view's order; empty without figures.
std::vector<TypeRow> shown_rows(const View& view, const Board& board);

/// Puts the selection back on its type, or near where it was, and the rows on the screen around it.
void settle(View& view, const std::vector<TypeRow>& rows);

/// True: the user wants to leave.
bool press(View& view, const KeyPress& key, const Board& board);

}  // namespace outrider
