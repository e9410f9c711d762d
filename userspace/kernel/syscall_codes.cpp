#include "userspace/kernel/syscall_codes.h"

#include <sys/syscall.h>

#include <utility>

namespace outrider {
namespace {

struct Entry {
  long number;
  int code;
};

// Numbers that an architecture does not have are left out; those newer than the build's headers are the same on every
// architecture and written as numbers.
constexpr Entry kEntries[] = {
    {SYS_futex, SYSCALL_FUTEX},
    {449 /* futex_waitv */, OUTRIDER_WAIT_SYNC},
    {455 /* futex_wait */, OUTRIDER_WAIT_SYNC},
    {SYS_semtimedop, OUTRIDER_WAIT_SYNC},
    {SYS_semop, OUTRIDER_WAIT_SYNC},
    // changes of the address space wait for its lock
    {SYS_mmap, OUTRIDER_WAIT_LOCK},
    {SYS_munmap, OUTRIDER_WAIT_LOCK},
    {SYS_brk, OUTRIDER_WAIT_LOCK},
    {SYS_mprotect, OUTRIDER_WAIT_LOCK},
    {SYS_mremap, OUTRIDER_WAIT_LOCK},
    {SYS_madvise, OUTRIDER_WAIT_LOCK},
    {SYS_flock, OUTRIDER_WAIT_LOCK},
    {SYS_fcntl, SYSCALL_FCNTL},
    {SYS_recvfrom, OUTRIDER_WAIT_NETWORK},
    {SYS_recvmsg, OUTRIDER_WAIT_NETWORK},
    {SYS_recvmmsg, OUTRIDER_WAIT_NETWORK},
    {SYS_sendto, OUTRIDER_WAIT_NETWORK},
    {SYS_sendmsg, OUTRIDER_WAIT_NETWORK},
    {SYS_sendmmsg, OUTRIDER_WAIT_NETWORK},
    {SYS_accept, OUTRIDER_WAIT_NETWORK},
    {SYS_accept4, OUTRIDER_WAIT_NETWORK},
    {SYS_connect, OUTRIDER_WAIT_NETWORK},
    {SYS_read, SYSCALL_FD},
    {SYS_write, SYSCALL_FD},
    {SYS_readv, SYSCALL_FD},
    {SYS_writev, SYSCALL_FD},
    {SYS_pread64, SYSCALL_FD},
    {SYS_pwrite64, SYSCALL_FD},
    {SYS_preadv, SYSCALL_FD},
    {SYS_pwritev, SYSCALL_FD},
    {SYS_preadv2, SYSCALL_FD},
    {SYS_pwritev2, SYSCALL_FD},
    {SYS_sendfile, SYSCALL_FD},
    {SYS_splice, SYSCALL_FD},
    {SYS_copy_file_range, OUTRIDER_WAIT_DISK},
    {SYS_epoll_pwait, OUTRIDER_WAIT_POLL},
    {441 /* epoll_pwait2 */, OUTRIDER_WAIT_POLL},
    {SYS_ppoll, OUTRIDER_WAIT_POLL},
    {SYS_pselect6, OUTRIDER_WAIT_POLL},
    {SYS_nanosleep, OUTRIDER_WAIT_SLEEP},
    {SYS_clock_nanosleep, OUTRIDER_WAIT_SLEEP},
    {SYS_wait4, OUTRIDER_WAIT_IPC},
    {SYS_waitid, OUTRIDER_WAIT_IPC},
    {SYS_msgrcv, OUTRIDER_WAIT_IPC},
    {SYS_msgsnd, OUTRIDER_WAIT_IPC},
    {SYS_mq_timedreceive, OUTRIDER_WAIT_IPC},
    {SYS_mq_timedsend, OUTRIDER_WAIT_IPC},
    {SYS_fsync, OUTRIDER_WAIT_DISK},
    {SYS_fdatasync, OUTRIDER_WAIT_DISK},
    {SYS_sync, OUTRIDER_WAIT_DISK},
    {SYS_syncfs, OUTRIDER_WAIT_DISK},
    {SYS_sync_file_range, OUTRIDER_WAIT_DISK},
    {SYS_msync, OUTRIDER_WAIT_DISK},
    {SYS_fallocate, OUTRIDER_WAIT_DISK},
    {SYS_ftruncate, OUTRIDER_WAIT_DISK},
    {SYS_io_getevents, OUTRIDER_WAIT_DISK},
    {SYS_io_submit, OUTRIDER_WAIT_DISK},
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, OUTRIDER_WAIT_POLL},
#endif
#ifdef SYS_poll
    {SYS_poll, OUTRIDER_WAIT_POLL},
#endif
#ifdef SYS_select
    {SYS_select, OUTRIDER_WAIT_POLL},
#endif
#ifdef SYS_vfork
    {SYS_vfork, OUTRIDER_WAIT_IPC},
#endif
    {SYS_clone, OUTRIDER_WAIT_IPC},  // with CLONE_VFORK: posix_spawn
    {SYS_clone3, OUTRIDER_WAIT_IPC},
    {SYS_vmsplice, SYSCALL_FD},
    {SYS_tee, SYSCALL_FD},
};

}  // namespace

std::array<std::uint8_t, SYSCALL_TABLE> syscall_codes() {
  std::array<std::uint8_t, SYSCALL_TABLE> codes{};
  codes.fill(OUTRIDER_WAIT_OTHER);
  for (const Entry& entry : kEntries) {
    if (std::cmp_less(entry.number, codes.size())) {
      codes.at(static_cast<std::size_t>(entry.number)) = static_cast<std::uint8_t>(entry.code);
    }
  }
  return codes;
}

}  // namespace outrider
