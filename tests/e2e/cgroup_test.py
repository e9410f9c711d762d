"""Two targets by control group whose engines run the same file: each has the queries of its own group, also of engines that
begin while it is watched."""

import contextlib
import os
import pathlib
import unittest

import harness
from service_harness import ServiceCase

MOUNT = next((pathlib.Path(line.split()[1]) for line in pathlib.Path("/proc/mounts").read_text(encoding="ascii").splitlines()
              if line.split()[2] == "cgroup2"), None)


def can_make_groups():
    return MOUNT is not None and os.access(MOUNT, os.W_OK)


class Group:
    def __init__(self, name):
        self.name = f"outrider-test-{os.getpid()}-{name}"
        self.path = MOUNT / self.name
        self.path.mkdir()

    def join(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def remove(self):
        with contextlib.suppress(OSError):  # of a process that is still ending
            self.path.rmdir()


class ControlGroups(ServiceCase):
    @unittest.skipUnless(can_make_groups(), "no cgroup can be made here")
    def test_each_has_the_queries_of_its_own_group(self):
        groups = {name: Group(name) for name in ("main", "second")}
        for group in groups.values():
            self.addCleanup(group.remove)
        self.configure([f'cgroup = "/{group.name}"\ndisplay_name = "{name}"' for name, group in groups.items()])
        agent = self.start()

        def run(name, queries):
            return self.engine("--rate", 0, "--queries", queries, "--workload", "tiny", "--linger", 2,
                               preexec_fn=groups[name].join)

        engines = [run("main", 300)]
        harness.wait_until(lambda: agent.snapshot("main"), harness.PATIENCE_SECONDS, "the first engine")
        engines += [run("second", 500), run("second", 700)]
        agent.await_line(agent.err, "is watched from now on", harness.PATIENCE_SECONDS, times=2)
        for engine in engines:
            engine.release()
        done = [len(engine.finish()) for engine in engines]
        rows = {"main": done[0], "second": done[1] + done[2]}
        self.assertEqual(rows, {"main": 300, "second": 1200})
        for name, count in rows.items():
            snapshot = agent.await_total(name, count)
            self.assertEqual(snapshot["query_metrics"]["total_queries"], count, name)
            self.assertEqual(harness.losses(snapshot), 0, snapshot)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
