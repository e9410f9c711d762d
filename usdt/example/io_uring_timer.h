// A wait in io_uring_enter: one timeout request, submitted and waited for in one system call. Written on the raw system
// calls, since one request needs no library. One per thread; not thread-safe.
#pragma once

#include <cstdint>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"

struct io_uring_params;  // <linux/io_uring.h>

namespace outrider::example {

class IoUringTimer {
 public:
  /// Fails where the kernel has no io_uring or forbids it.
  static Result<IoUringTimer> make();
  IoUringTimer(IoUringTimer&& other) noexcept;
  IoUringTimer& operator=(IoUringTimer&&) = delete;
  ~IoUringTimer();

  /// Returns when `ns` have passed.
  Status wait(uint64_t ns);

 private:
  struct Mapping {
    void* address = nullptr;
    size_t bytes = 0;
  };
  IoUringTimer() = default;
  Status map(const io_uring_params& params);
  [[nodiscard]] uint32_t* word(uint32_t offset) const {
    return reinterpret_cast<uint32_t*>(static_cast<char*>(rings_.address) + offset);
  }

  Fd ring_;
  Mapping rings_;  // both queues (IORING_FEAT_SINGLE_MMAP)
  Mapping requests_;
  uint32_t *submit_tail_ = nullptr, *submit_slots_ = nullptr, *complete_head_ = nullptr, *complete_tail_ = nullptr;
};

}  // namespace outrider::example
