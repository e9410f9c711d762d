#include "userspace/tui/board_box.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace outrider {

Result<BoardBox> BoardBox::make() {
  Fd ready(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready.valid()) return Error::from_errno(errno, "eventfd");
  return BoardBox(std::move(ready));
}

void BoardBox::put(SharedBoard board) {
  {
    const std::lock_guard lock(mutex_);
    newest_.swap(board);
  }
  wake();
}

void BoardBox::end(Status status) {
  {
    const std::lock_guard lock(mutex_);
    ended_ = std::move(status);
  }
  wake();
}

// A counter that is full is readable all the same.
void BoardBox::wake() const { (void)eventfd_write(ready_.get(), 1); }

SharedBoard BoardBox::newest() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

std::optional<Status> BoardBox::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void BoardBox::settle() {
  eventfd_t count = 0;
  (void)eventfd_read(ready_.get(), &count);
}

}  // namespace outrider
