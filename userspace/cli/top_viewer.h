// `outrider top` between its first figures and its end: waits for keys, figures and signals, and draws.
#pragma once

#include "userspace/agent/signals.h"
#include "userspace/base/result.h"
#include "userspace/cli/top_source.h"
#include "userspace/tui/board_box.h"

namespace outrider {

/// Takes the terminal once there is something to show, and gives it back before it returns: when the user quits, with
/// any signal but SIGWINCH, when the terminal is gone. Errors: what the box ended with, no terminal.
Status view_boards(BoardBox& box, TopSource& source, const Signals& signals);

}  // namespace outrider
