#include "usdt/example/wait_planter.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "usdt/example/clock.h"

namespace outrider::example {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kDirectRead = 256 << 10;  // long enough for the disk's time to outweigh the system call's

void sleep_for(uint64_t ns) {
  const timespec duration = to_timespec(ns);
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, nullptr);
}

uint64_t spin_for(uint64_t ns) {
  const uint64_t begin = thread_cpu_ns();
  uint64_t spent = 0;
  while (spent < ns) spent = thread_cpu_ns() - begin;
  return spent;
}

}  // namespace

Result<std::unique_ptr<WaitPlanter>> WaitPlanter::make(const WaitSources& sources, const FaultPlan& plan,
                                                       size_t index) {
  std::unique_ptr<WaitPlanter> planter(new WaitPlanter(sources));
  planter->rng_ = Rng(index, 3);
  Status status = Ok{};
  const auto open_for = [&](FaultKind kind, auto&& open) {
    if (status && plan.has(kind)) status = open();
  };
  open_for(FaultKind::kPipe, [&] { return planter->open_pipe(); });
  open_for(FaultKind::kPoll, [&] { return planter->pipe_read_.valid() ? Status(Ok{}) : planter->open_pipe(); });
  open_for(FaultKind::kSocket, [&] { return planter->open_socket(); });
  open_for(FaultKind::kDisk, [&] { return planter->open_disk(); });
  open_for(FaultKind::kPageFault, [&] { return planter->open_mapping(index); });
  open_for(FaultKind::kIoUring, [&] { return planter->open_io_uring(); });
  if (!status) return status.error();
  return planter;
}

WaitPlanter::~WaitPlanter() = default;

Status WaitPlanter::open_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return Error::from_errno(errno, "cannot make a pipe");
  pipe_read_ = Fd(fds[0]);
  pipe_write_ = Fd(fds[1]);
  return Ok{};
}

Status WaitPlanter::open_socket() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return Error::from_errno(errno, "cannot make a socket pair");
  }
  socket_here_ = Fd(fds[0]);
  socket_there_ = Fd(fds[1]);
  return Ok{};
}

Status WaitPlanter::open_disk() {
  Result<Fd> direct = sources_.data_file.open_direct();
  if (!direct) return direct.error();
  direct_ = std::move(*direct);
  void* buffer = ::mmap(nullptr, kDirectRead, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) return Error::from_errno(errno, "cannot allocate a read buffer");
  buffer_ = Mapping(static_cast<char*>(buffer), Unmap{kDirectRead});
  return Ok{};
}

Status WaitPlanter::open_mapping(size_t index) {
  const DataFile& file = sources_.data_file;
  const size_t part = file.cold_bytes() / sources_.planters / kPage * kPage;
  cold_at_ = file.cold_begin() + index * part;
  void* address = ::mmap(nullptr, part, PROT_READ, MAP_SHARED, file.fd(), static_cast<off_t>(cold_at_));
  if (part == 0 || address == MAP_FAILED) return Error::from_errno(errno, "cannot map the data file");
  cold_ = Mapping(static_cast<char*>(address), Unmap{part});
  ::madvise(address, part, MADV_RANDOM);  // no read-ahead: each page is a disk read of its own
  evict();
  return Ok{};
}

Status WaitPlanter::open_io_uring() {
  Result<IoUringTimer> timer = IoUringTimer::make();
  if (!timer) return timer.error();
  io_uring_.emplace(std::move(*timer));
  return Ok{};
}

PlantedWait WaitPlanter::plant(FaultKind kind, double ms) {
  const auto ns = static_cast<uint64_t>(ms * 1e6);
  switch (kind) {
    case FaultKind::kLock:
      return {PlantedClass::kLock, wait_for_lock()};
    case FaultKind::kDisk:
      return {PlantedClass::kDisk, read_disk(ns)};
    case FaultKind::kCond:
      return {PlantedClass::kSync, wait_for_condition(ns)};
    case FaultKind::kPipe:
      return {PlantedClass::kIpc, wait_for_pipe(ns)};
    case FaultKind::kSocket:
      return {PlantedClass::kNetwork, wait_for_socket(ns)};
    case FaultKind::kPoll:
      return {PlantedClass::kPoll, wait_for_poll(ns)};
    case FaultKind::kSleep:
      return {PlantedClass::kSleep, measure_wait([&] { sleep_for(ns); })};
    case FaultKind::kPageFault:
      return {PlantedClass::kPageFault, touch_cold_pages(ns)};
    case FaultKind::kIoUring:
      return {PlantedClass::kIoUring, measure_wait([&] { static_cast<void>(io_uring_->wait(ns)); })};
    case FaultKind::kSpin:
      return {PlantedClass::kCpu, spin_for(ns)};
    default:
      return {};
  }
}

uint64_t WaitPlanter::wait_for_lock() {
  return measure_wait([&] { sources_.convoy.pass(); });
}

uint64_t WaitPlanter::wait_for_condition(uint64_t ns) {
  std::unique_lock lock(mutex_);
  released_ = false;
  sources_.releaser.run_at(monotonic_ns() + ns, [this] {
    const std::lock_guard guard(mutex_);
    released_ = true;
    condition_.notify_one();
  });
  return measure_wait([&] { condition_.wait(lock, [&] { return released_; }); });
}

uint64_t WaitPlanter::wait_for_pipe(uint64_t ns) {
  sources_.releaser.run_at(monotonic_ns() + ns, [fd = pipe_write_.get()] { static_cast<void>(!::write(fd, "x", 1)); });
  char byte = 0;
  return measure_wait([&] { static_cast<void>(!::read(pipe_read_.get(), &byte, 1)); });
}

uint64_t WaitPlanter::wait_for_socket(uint64_t ns) {
  sources_.releaser.run_at(monotonic_ns() + ns,
                           [fd = socket_there_.get()] { static_cast<void>(::send(fd, "x", 1, MSG_NOSIGNAL)); });
  char byte = 0;
  return measure_wait([&] { static_cast<void>(::recv(socket_here_.get(), &byte, 1, 0)); });
}

uint64_t WaitPlanter::wait_for_poll(uint64_t ns) {
  pollfd quiet{.fd = pipe_read_.get(), .events = POLLIN, .revents = 0};
  const timespec timeout = to_timespec(ns);
  return measure_wait([&] { ::ppoll(&quiet, 1, &timeout, nullptr); });
}

uint64_t WaitPlanter::read_disk(uint64_t ns) {
  const auto blocks = static_cast<uint32_t>(sources_.data_file.cold_bytes() / kDirectRead);
  const uint64_t deadline = monotonic_ns() + ns;
  return measure_wait([&] {
    do {
      const size_t at = sources_.data_file.cold_begin() + size_t{rng_.below(blocks)} * kDirectRead;
      if (::pread(direct_.get(), buffer_.get(), kDirectRead, static_cast<off_t>(at)) <= 0) return;
    } while (monotonic_ns() < deadline);
  });
}

uint64_t WaitPlanter::touch_cold_pages(uint64_t ns) {
  const uint64_t deadline = monotonic_ns() + ns;
  const size_t pages = cold_.get_deleter().bytes / kPage;
  const volatile char* base = cold_.get();
  return measure_wait([&] {
    do {
      if (next_page_ == pages) evict();
      static_cast<void>(base[next_page_++ * kPage]);
    } while (monotonic_ns() < deadline);
  });
}

void WaitPlanter::evict() {
  const size_t bytes = cold_.get_deleter().bytes;
  ::madvise(cold_.get(), bytes, MADV_DONTNEED);
  ::posix_fadvise(sources_.data_file.fd(), static_cast<off_t>(cold_at_), static_cast<off_t>(bytes),
                  POSIX_FADV_DONTNEED);
  next_page_ = 0;
}

}  // namespace outrider::example
