// Where a source puts what it saw and the view finds it. Thread-safe.
#pragma once

#include <mutex>
#include <optional>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"
#include "userspace/tui/board.h"

namespace outrider {

class BoardBox {
 public:
  /// Errors: no descriptor to be had.
  static Result<BoardBox> make();
  BoardBox(BoardBox&& other) noexcept : ready_(std::move(other.ready_)) {}  // before anybody else knows of it

  void put(SharedBoard board);
  /// Nothing more will come; an error says why.
  void end(Status status);

  /// The newest board; null: none came yet.
  [[nodiscard]] SharedBoard newest() const;
  /// Set once end() was called.
  [[nodiscard]] std::optional<Status> ended() const;

  /// Readable once something has come since the last settle().
  [[nodiscard]] int descriptor() const { return ready_.get(); }
  void settle();

 private:
  explicit BoardBox(Fd ready) : ready_(std::move(ready)) {}
  void wake() const;

  Fd ready_;
  mutable std::mutex mutex_;
  SharedBoard newest_;
  std::optional<Status> ended_;
};

}  // namespace outrider
