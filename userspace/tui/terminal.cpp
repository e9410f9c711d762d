#include "userspace/tui/terminal.h"

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string>

namespace outrider {
namespace {

constexpr int kEscapeDelayMs = 25;  // what may pass between the bytes of one key
constexpr int kEscape = 27;

// Pairs of colours: what they stand on is the terminal's own, but for waits.
constexpr short kGoodPair = 1, kWarnPair = 2, kBadPair = 3, kWaitPair = 4;

// By OUTRIDER_WAIT_*; neighbours in a bar mostly differ, and the letters say the rest.
constexpr std::array<short, OUTRIDER_WAIT_CLASSES> kWaitColours = {
    COLOR_GREEN, COLOR_YELLOW, COLOR_BLUE,    COLOR_MAGENTA, COLOR_RED,   COLOR_CYAN,   COLOR_WHITE,
    COLOR_BLUE,  COLOR_WHITE,  COLOR_MAGENTA, COLOR_CYAN,    COLOR_WHITE, COLOR_YELLOW, COLOR_RED};

bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  return no_colour == nullptr || *no_colour == '\0';
}

void make_colours() {
  start_color();
  const short own = use_default_colors() == OK ? -1 : COLOR_BLACK;
  init_pair(kGoodPair, COLOR_GREEN, own);
  init_pair(kWarnPair, COLOR_YELLOW, own);
  init_pair(kBadPair, COLOR_RED, own);
  for (std::size_t i = 0; i < kWaitColours.size(); ++i) {
    init_pair(static_cast<short>(kWaitPair + static_cast<short>(i)), COLOR_BLACK, kWaitColours[i]);
  }
}

attr_t attributes_of(Style style) {
  switch (style) {
    case Style::kDim:
      return A_DIM;
    case Style::kStrong:
      return A_BOLD;
    case Style::kTitle:
      return A_REVERSE;
    case Style::kBad:
      return A_BOLD;
    default:
      return A_NORMAL;
  }
}

short pair_of(Style style) {
  if (style >= Style::kWaitFirst) {
    return static_cast<short>(kWaitPair + static_cast<short>(style) - static_cast<short>(Style::kWaitFirst));
  }
  return style == Style::kGood ? kGoodPair : style == Style::kWarn ? kWarnPair : style == Style::kBad ? kBadPair : 0;
}

Key special_key(int code) {
  switch (code) {
    case KEY_UP:
      return Key::kUp;
    case KEY_DOWN:
      return Key::kDown;
    case KEY_LEFT:
      return Key::kLeft;
    case KEY_RIGHT:
      return Key::kRight;
    case KEY_PPAGE:
      return Key::kPageUp;
    case KEY_NPAGE:
      return Key::kPageDown;
    case KEY_HOME:
      return Key::kHome;
    case KEY_END:
      return Key::kEnd;
    case KEY_ENTER:
    case '\n':
    case '\r':
      return Key::kEnter;
    case kEscape:
    case KEY_BACKSPACE:
      return Key::kBack;
    case '\t':
      return Key::kTab;
    default:
      return Key::kNone;
  }
}

}  // namespace

Terminal::Terminal(void* screen, bool unicode, bool colour) : screen_(screen), unicode_(unicode), colour_(colour) {}

Status Terminal::check() {
  if (isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) return Ok{};
  return Error{"outrider top draws on a terminal, and stdin or stdout is none; `outrider watch` prints lines", ENOTTY};
}

Result<std::unique_ptr<Terminal>> Terminal::make() {
  if (Status status = check(); !status) return status.error();
  std::setlocale(LC_CTYPE, "");
  const bool unicode = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  SCREEN* screen = newterm(nullptr, stdout, stdin);
  if (screen == nullptr) {
    const char* type = std::getenv("TERM");
    return Error{std::string("the terminal of type '") + (type != nullptr ? type : "") +
                 "' is not known here; set TERM to what it is like, e.g. TERM=xterm"};
  }
  const bool colour = wants_colour() && has_colors();
  if (colour) make_colours();
  cbreak();
  noecho();
  nonl();
  set_escdelay(kEscapeDelayMs);
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  leaveok(stdscr, TRUE);
  curs_set(0);
  return std::unique_ptr<Terminal>(new Terminal(screen, unicode, colour));
}

Terminal::~Terminal() {
  curs_set(1);
  endwin();
  delscreen(static_cast<SCREEN*>(screen_));
}

ScreenSize Terminal::size() const {
  return {static_cast<std::size_t>(std::max(getmaxy(stdscr), 0)),
          static_cast<std::size_t>(std::max(getmaxx(stdscr), 0))};
}

void Terminal::resized() {
  winsize now{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_row == 0 || now.ws_col == 0) return;
  resizeterm(now.ws_row, now.ws_col);
}

void Terminal::show(const Screen& screen) {
  werase(stdscr);
  const std::size_t lines = std::min(screen.size(), size().lines);
  for (std::size_t y = 0; y < lines; ++y) {
    wmove(stdscr, static_cast<int>(y), 0);
    for (const Span& span : screen[y].spans) {
      attr_t attributes = attributes_of(span.style);
      // A wait's bar keeps its colours under the selection.
      if (screen[y].selected && span.style < Style::kWaitFirst) attributes |= A_REVERSE;
      wattr_set(stdscr, attributes, colour_ ? pair_of(span.style) : static_cast<short>(0), nullptr);
      waddnstr(stdscr, span.text.c_str(), static_cast<int>(span.text.size()));
    }
  }
  wattr_set(stdscr, A_NORMAL, 0, nullptr);
  wnoutrefresh(stdscr);
  doupdate();
}

KeyPress Terminal::key() {
  int code = wgetch(stdscr);
  while (code == KEY_RESIZE) code = wgetch(stdscr);  // resizeterm() has put it there
  if (code == ERR) return {};
  if (const Key key = special_key(code); key != Key::kNone) return {key, 0};
  if (code < 0x20 || code > 0x7e) return {Key::kUnknown, 0};
  return {Key::kCharacter, static_cast<char>(code)};
}

int Terminal::descriptor() { return STDIN_FILENO; }

}  // namespace outrider
