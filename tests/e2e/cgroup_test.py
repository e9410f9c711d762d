"""Two targets by control group whose engines run the same file: each has the queries of its own group, also of engines that
begin while it is watched."""

import contextlib
import os
import pathlib
import time
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

        def await_processes(expected):
            def processes():
                return {target["name"]: target["processes"] for target in agent.json("/api/v1/targets")["targets"]}
            harness.wait_until(lambda: processes() == expected, harness.PATIENCE_SECONDS, lambda: f"{expected}: {processes()}")

        engines = [run("main", 300)]
        await_processes({"main": 1, "second": 0})
        engines += [run("second", 500), run("second", 700)]
        await_processes({"main": 1, "second": 2})
        for engine in engines:
            engine.release()
        done = [len(engine.finish()) for engine in engines]
        rows = {"main": done[0], "second": done[1] + done[2]}
        self.assertEqual(rows, {"main": 300, "second": 1200})
        for name, count in rows.items():
            snapshot = agent.await_total(name, count)
            self.assertEqual(snapshot["query_metrics"]["total_queries"], count, name)
            self.assertEqual(harness.losses(snapshot), 0, snapshot)

    @unittest.skipUnless(can_make_groups(), "no cgroup can be made here")
    def test_a_restart_within_an_interval_is_no_end(self):
        group = Group("restarted")
        self.addCleanup(group.remove)
        self.configure([f'cgroup = "/{group.name}"\ndisplay_name = "engine"'], interval="5s")
        agent = self.start()
        # Readings are on the clock's grid of 5 s; the first engine ends some 2 s after one.
        time.sleep((3 - time.time()) % 5)
        for queries, linger in ((300, 0), (500, 60)):
            # Its delay is as long as it takes to be found.
            engine = self.engine("--rate", 0, "--queries", queries, "--workload", "tiny", "--linger", linger, hold=False, delay=4,
                                 preexec_fn=group.join)
            if not linger:
                self.assertEqual(len(engine.finish()), queries)
        snapshot = agent.await_total("engine", 800)
        self.assertEqual(snapshot["query_metrics"]["total_queries"], 800)
        told = [alert["event"] for alert in agent.json("/api/v1/alerts")["recent"] if alert["name"] == "Target down"]
        self.assertEqual(told, ["resolved", "firing"], "it was down before the first engine, and never since")


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
