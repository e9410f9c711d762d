// The terminal, through ncurses: the only place that knows it. One at a time in a process, used by one thread.
#pragma once

#include <memory>

#include "userspace/base/result.h"
#include "userspace/tui/line.h"
#include "userspace/tui/screen.h"
#include "userspace/tui/view.h"

namespace outrider {

class Terminal {
 public:
  /// Errors: stdin or stdout is no terminal.
  static Status check();

  /// Takes over stdin and stdout; sets the locale's LC_CTYPE from the environment. Errors: as check(), and a terminal
  /// of a kind that is not known here.
  static Result<std::unique_ptr<Terminal>> make();

  /// Gives the terminal back as it was.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] ScreenSize size() const;
  /// Asks the kernel for the size; to be called after SIGWINCH.
  void resized();
  /// The locale has UTF-8.
  [[nodiscard]] bool unicode() const { return unicode_; }

  /// In one update; what did not change is not sent.
  void show(const Screen& screen);

  /// The next key that was pressed, without waiting; kNone: none was.
  KeyPress key();
  /// What to poll for keys.
  [[nodiscard]] static int descriptor();

 private:
  Terminal(void* screen, bool unicode, bool colour);

  void* screen_;  // ncurses' own
  bool unicode_, colour_;
};

}  // namespace outrider
