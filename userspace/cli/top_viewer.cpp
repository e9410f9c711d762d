#include "userspace/cli/top_viewer.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "userspace/tui/last_probed.h"
#include "userspace/tui/screen.h"
#include "userspace/tui/series.h"
#include "userspace/tui/terminal.h"

namespace outrider {
namespace {

class Viewer {
 public:
  Viewer(BoardBox& box, TopSource& source, const Signals& signals, Terminal& terminal)
      : box_(box), source_(source), signals_(signals), terminal_(terminal) {}

  Status run() {
    for (;;) {
      take_figures();
      if (const auto ended = box_.ended(); ended && !*ended) return ended->error();
      terminal_.show(draw(view_, *board_, series_, terminal_.size(), terminal_.unicode()));
      std::array<pollfd, 3> ready = {
          {{signals_.descriptor(), POLLIN, 0}, {Terminal::descriptor(), POLLIN, 0}, {box_.descriptor(), POLLIN, 0}}};
      // SIGTSTP and SIGCONT interrupt it: then the screen is to be drawn again.
      if (poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return Error::from_errno(errno, "poll");
      if (ready[0].revents != 0 && stopped()) return Ok{};
      if ((ready[1].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return Ok{};
      if (ready[1].revents != 0 && quit()) return Ok{};
    }
  }

 private:
  bool stopped() {
    while (const auto signal = signals_.wait_until(std::chrono::steady_clock::now())) {
      if (*signal != SIGWINCH) return true;
      terminal_.resized();
    }
    return false;
  }

  bool quit() {
    for (KeyPress key = terminal_.key(); key.key != Key::kNone; key = terminal_.key()) {
      const std::string before = view_.type;
      if (press(view_, key, *board_)) return true;
      const BoardTarget* target = shown_target(view_, *board_);
      if (target != nullptr && !view_.type.empty() && view_.type != before) {
        source_.want_past(target->name, view_.type);
      }
    }
    return false;
  }

  // While the view is paused the series go on: what was missed is in the charts afterwards.
  void take_figures() {
    box_.settle();
    if (const SharedBoard newest = box_.newest(); newest != seen_) {
      series_.add(*newest);
      series_.add_past(newest->past);
      Board filled = *newest;
      last_probed_.fill(filled);
      filled_ = std::make_shared<const Board>(std::move(filled));
      seen_ = newest;
    }
    if (!view_.paused || !board_) board_ = filled_;
  }

  BoardBox& box_;
  TopSource& source_;
  const Signals& signals_;
  Terminal& terminal_;
  View view_;
  Series series_;
  LastProbed last_probed_;
  SharedBoard seen_, filled_, board_;  // the newest, as it came and as it is shown, and the one on the screen
};

/// Until there is something to show. False: the user wants to leave before.
Result<bool> await_first(BoardBox& box, const Signals& signals) {
  for (;;) {
    box.settle();
    if (box.newest()) return true;
    if (const auto ended = box.ended()) return *ended ? Result<bool>(false) : ended->error();
    std::array<pollfd, 2> ready = {{{signals.descriptor(), POLLIN, 0}, {box.descriptor(), POLLIN, 0}}};
    if (poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return Error::from_errno(errno, "poll");
    while (const auto signal = signals.wait_until(std::chrono::steady_clock::now())) {
      if (*signal != SIGWINCH) return false;
    }
  }
}

}  // namespace

Status view_boards(BoardBox& box, TopSource& source, const Signals& signals) {
  const Result<bool> first = await_first(box, signals);
  if (!first) return first.error();
  if (!*first) return Ok{};
  const Result<std::unique_ptr<Terminal>> terminal = Terminal::make();
  if (!terminal) return terminal.error();
  return Viewer(box, source, signals, **terminal).run();
}

}  // namespace outrider
