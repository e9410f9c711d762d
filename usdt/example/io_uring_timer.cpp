#include "usdt/example/io_uring_timer.h"

#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace outrider::example {

Result<IoUringTimer> IoUringTimer::make() {
  io_uring_params params{};
  IoUringTimer timer;
  timer.ring_ = Fd(static_cast<int>(::syscall(SYS_io_uring_setup, 2, &params)));
  if (!timer.ring_.valid()) return Error::from_errno(errno, "the kernel refuses io_uring");
  if ((params.features & IORING_FEAT_SINGLE_MMAP) == 0)
    return Error{"this kernel's io_uring is too old (5.4 is needed)"};
  if (const Status mapped = timer.map(params); !mapped) return mapped.error();
  return timer;
}

IoUringTimer::IoUringTimer(IoUringTimer&& other) noexcept
    : ring_(std::move(other.ring_)),
      rings_(std::exchange(other.rings_, {})),
      requests_(std::exchange(other.requests_, {})),
      submit_tail_(other.submit_tail_),
      submit_slots_(other.submit_slots_),
      complete_head_(other.complete_head_),
      complete_tail_(other.complete_tail_) {}

IoUringTimer::~IoUringTimer() {
  if (rings_.address != nullptr) ::munmap(rings_.address, rings_.bytes);
  if (requests_.address != nullptr) ::munmap(requests_.address, requests_.bytes);
}

Status IoUringTimer::map(const io_uring_params& params) {
  const auto map_at = [&](size_t bytes, off_t offset, Mapping& into) {
    void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_.get(), offset);
    if (address == MAP_FAILED) return false;
    into = {address, bytes};
    return true;
  };
  const size_t bytes = std::max(params.sq_off.array + params.sq_entries * sizeof(uint32_t),
                                params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
  if (!map_at(bytes, IORING_OFF_SQ_RING, rings_) ||
      !map_at(params.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES, requests_)) {
    return Error::from_errno(errno, "cannot map the io_uring queues");
  }
  submit_tail_ = word(params.sq_off.tail);
  submit_slots_ = word(params.sq_off.array);
  complete_head_ = word(params.cq_off.head);
  complete_tail_ = word(params.cq_off.tail);
  return Ok{};
}

Status IoUringTimer::wait(uint64_t ns) {
  __kernel_timespec timeout{.tv_sec = static_cast<int64_t>(ns / 1'000'000'000),
                            .tv_nsec = static_cast<int64_t>(ns % 1'000'000'000)};
  auto& request = *static_cast<io_uring_sqe*>(requests_.address);
  request = {};
  request.opcode = IORING_OP_TIMEOUT;
  request.fd = -1;
  request.addr = reinterpret_cast<uintptr_t>(&timeout);
  request.len = 1;
  // Each wait submits one request and consumes its completion, so request 0 is always free here.
  std::atomic_ref tail(*submit_tail_);
  const uint32_t at = tail.load(std::memory_order_relaxed);
  submit_slots_[at & 1] = 0;
  tail.store(at + 1, std::memory_order_release);
  long entered = ::syscall(SYS_io_uring_enter, ring_.get(), 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
  std::atomic_ref head(*complete_head_);
  while (std::atomic_ref(*complete_tail_).load(std::memory_order_acquire) == head.load(std::memory_order_relaxed)) {
    if (entered < 0 && errno != EINTR) return Error::from_errno(errno, "io_uring_enter");
    entered = ::syscall(SYS_io_uring_enter, ring_.get(), 0, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
  }
  head.fetch_add(1, std::memory_order_release);
  return Ok{};
}

}  // namespace outrider::example
