"""python3 spawn_as.py PID PROGRAM ARGUMENT...: starts a program under a process id of one's choice, and ends as it
ends. A process id comes round again after some ten thousand others; this is that moment without the wait. Needs root,
and the id to be free."""

import ctypes
import errno
import os
import signal
import sys
import time

SYS_CLONE3 = 435
PATIENCE_SECONDS = 10


def fork_as(pid):
    """As os.fork(), with the child's id. The interpreter's lock is kept: no other thread may own it in the child."""
    wanted = ctypes.c_int32(pid)
    # flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
    arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
    libc = ctypes.PyDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        size = ctypes.c_size_t(ctypes.sizeof(arguments))
        got = libc.syscall(ctypes.c_long(SYS_CLONE3), ctypes.byref(arguments), size)
        if got >= 0:
            return got
        code = ctypes.get_errno()
        if code != errno.EEXIST or time.monotonic() > deadline:
            sys.exit(f"spawn_as: no process can have the id {pid}: {os.strerror(code)}")
        time.sleep(0.01)  # its last owner is on its way out


def main():
    child = fork_as(int(sys.argv[1]))
    if child == 0:
        os.execv(sys.argv[2], sys.argv[2:])
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
