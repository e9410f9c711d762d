#include "userspace/tui/view.h"

#include <algorithm>
#include <cstdint>

namespace outrider {
namespace {

void sort_by(View& view, int column) {
  const auto wanted = static_cast<TypeColumn>(std::clamp(column, 0, kTypeColumns - 1));
  view.reversed = view.sort == wanted && !view.reversed;
  view.sort = wanted;
}

void next_sort(View& view, int step) {
  const int column = (static_cast<int>(view.sort) + step + kTypeColumns) % kTypeColumns;
  view.sort = static_cast<TypeColumn>(column);
  view.reversed = false;
}

void next_target(View& view, const Board& board) {
  const BoardTarget* shown = shown_target(view, board);
  if (shown == nullptr) return;
  const auto index = static_cast<std::size_t>(shown - board.targets.data());
  const BoardTarget& next = board.targets[(index + 1) % board.targets.size()];
  if (&next == shown) return;
  view.target = next.name;
  view.selected.clear();
  view.row = view.first_row = 0;
  view.page = Page::kTable;
  view.type.clear();
}

void move(View& view, std::int64_t by, const std::vector<TypeRow>& rows) {
  if (rows.empty()) return;
  const auto last = static_cast<std::int64_t>(rows.size()) - 1;
  view.row = static_cast<std::size_t>(std::clamp<std::int64_t>(static_cast<std::int64_t>(view.row) + by, 0, last));
  view.selected = rows[view.row].name;
  settle(view, rows);
}

void move_by_key(View& view, Key key, const Board& board) {
  const std::vector<TypeRow> rows = shown_rows(view, board);
  settle(view, rows);
  const auto page = static_cast<std::int64_t>(view.visible_rows);
  const auto all = static_cast<std::int64_t>(rows.size());
  if (key == Key::kUp) move(view, -1, rows);
  if (key == Key::kDown) move(view, 1, rows);
  if (key == Key::kPageUp) move(view, -page, rows);
  if (key == Key::kPageDown) move(view, page, rows);
  if (key == Key::kHome) move(view, -all, rows);
  if (key == Key::kEnd) move(view, all, rows);
  if (key == Key::kEnter && !rows.empty()) {
    view.selected = view.type = rows[view.row].name;
    view.page = Page::kType;
  }
}

// Keys that mean the same on every page.
void press_anywhere(View& view, const KeyPress& key, const Board& board) {
  if (key.key == Key::kTab) next_target(view, board);
  if (key.key != Key::kCharacter) return;
  if (key.character == 'p' || key.character == ' ') view.paused = !view.paused;
  if (key.character == 't') next_target(view, board);
  if (key.character == '?' || key.character == 'h') view.page = Page::kHelp;
}

void press_in_table(View& view, const KeyPress& key, const Board& board) {
  if (key.key == Key::kLeft || (key.key == Key::kCharacter && key.character == '<')) return next_sort(view, -1);
  if (key.key == Key::kRight || (key.key == Key::kCharacter && key.character == '>')) return next_sort(view, 1);
  if (key.key != Key::kCharacter) return move_by_key(view, key.key, board);
  if (key.character >= '1' && key.character < '1' + kTypeColumns) sort_by(view, key.character - '1');
  if (key.character == 'r') view.reversed = !view.reversed;
}

}  // namespace

const BoardTarget* shown_target(const View& view, const Board& board) {
  if (board.targets.empty()) return nullptr;
  const auto found = std::find_if(board.targets.begin(), board.targets.end(),
                                  [&](const BoardTarget& target) { return target.name == view.target; });
  return found == board.targets.end() ? &board.targets.front() : &*found;
}

std::vector<TypeRow> shown_rows(const View& view, const Board& board) {
  const BoardTarget* target = shown_target(view, board);
  if (target == nullptr || target->queries() == nullptr) return {};
  std::vector<TypeRow> rows = type_rows(*target->queries());
  sort_rows(rows, view.sort, view.reversed);
  return rows;
}

void settle(View& view, const std::vector<TypeRow>& rows) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const TypeRow& row) { return row.name == view.selected; });
  if (!view.selected.empty() && found != rows.end()) view.row = static_cast<std::size_t>(found - rows.begin());
  view.row = std::min(view.row, rows.empty() ? 0 : rows.size() - 1);
  const std::size_t visible = std::max<std::size_t>(view.visible_rows, 1);
  if (view.row < view.first_row) view.first_row = view.row;
  if (view.row >= view.first_row + visible) view.first_row = view.row - visible + 1;
  view.first_row = std::min(view.first_row, rows.size() > visible ? rows.size() - visible : 0);
}

bool press(View& view, const KeyPress& key, const Board& board) {
  const bool back = key.key == Key::kBack || (key.key == Key::kCharacter && key.character == 'q');
  if (view.page == Page::kHelp) {
    // Whatever is pressed, help goes; there is nothing to do in it.
    if (key.key != Key::kNone) view.page = view.type.empty() ? Page::kTable : Page::kType;
    return false;
  }
  if (back && view.page == Page::kType) {
    view.page = Page::kTable;
    view.type.clear();
    return false;
  }
  if (back) return key.key == Key::kCharacter;
  press_anywhere(view, key, board);
  if (view.page == Page::kTable) press_in_table(view, key, board);
  return false;
}

}  // namespace outrider
