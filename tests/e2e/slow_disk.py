"""A disk that is slow on purpose, for what must surely wait for it."""

import os
import pathlib
import unittest

import harness


class SlowDisk:
    """A control group, of cgroup v1 or v2, whose processes read so many times a second from the disk of a file. A disk
    with a cache of its own may answer before the reader has gone to sleep."""

    READS_PER_SECOND = 250

    def __init__(self, path):
        device = os.stat(path).st_dev
        disk = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
        if not disk.exists():
            raise unittest.SkipTest(f"no disk whose reads can be limited holds {path}")
        whole = disk.resolve().parent if (disk / "partition").exists() else disk
        number = (whole / "dev").read_text(encoding="ascii").strip()
        old, new = pathlib.Path("/sys/fs/cgroup/blkio"), pathlib.Path("/sys/fs/cgroup")
        self.path = (old if old.exists() else new) / f"outrider-test-{os.getpid()}"
        if old.exists():
            file, limit = "blkio.throttle.read_iops_device", f"{number} {self.READS_PER_SECOND}"
        elif "io" in (new / "cgroup.controllers").read_text(encoding="ascii").split():
            (new / "cgroup.subtree_control").write_text("+io", encoding="ascii")
            file, limit = "io.max", f"{number} riops={self.READS_PER_SECOND}"
        else:
            raise unittest.SkipTest("there is no control group whose reads can be limited")
        self.path.mkdir()
        (self.path / file).write_text(limit, encoding="ascii")

    def join(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def remove(self):
        processes = self.path / "cgroup.procs"
        harness.wait_until(lambda: not processes.read_text(encoding="ascii"), 10, "the end of the readers")
        self.path.rmdir()
