"""Waiting for a CPU because the control group has used up its quota is told apart from waiting because others have it. The truth
is the engine's record (a query that spins for 40 ms is throttled for the rest of its time, while nobody else wants the processors) and
cpu.stat of the group, which counts how long its queues were throttled, be it that nothing was in them."""

import contextlib
import os
import pathlib
import unittest

import harness

PERIOD_US, QUOTA_US = 100_000, 25_000
QUERIES, SPIN_MS = 60, 40
WORK = ("--workload", "tiny", "--rate", 0, "--queries", QUERIES, "--fault", f"spin:{SPIN_MS}@0")


V1, V2 = pathlib.Path("/sys/fs/cgroup/cpu"), pathlib.Path("/sys/fs/cgroup")
OLD = (V1 / "cpu.cfs_quota_us").exists()
CONTROLLERS = V2 / "cgroup.controllers"
QUOTAS = OLD or (CONTROLLERS.exists() and "cpu" in CONTROLLERS.read_text().split())
needs_quota = unittest.skipUnless(QUOTAS, "no cgroup has a CPU quota here")


class Group:
    """A control group with a quota of a quarter of a processor."""

    def __init__(self):
        self.old = OLD
        self.path = (V1 if self.old else V2) / f"outrider-test-{os.getpid()}"
        if not self.old:
            (V2 / "cgroup.subtree_control").write_text("+cpu")
        self.path.mkdir()
        if self.old:
            (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.path / "cpu.cfs_quota_us").write_text(str(QUOTA_US))
        else:
            (self.path / "cpu.max").write_text(f"{QUOTA_US} {PERIOD_US}")

    def join(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def throttled(self):
        """Seconds, summed over the processors' queues."""
        stat = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
        return int(stat["throttled_time"]) / 1e9 if self.old else int(stat["throttled_usec"]) / 1e6

    def remove(self):
        with contextlib.suppress(OSError):  # of a process that is still ending
            self.path.rmdir()


class Throttled(harness.Case):
    def run_engine(self, threads, **options):
        engine = self.engine("--threads", threads, *WORK, **options)
        watch = self.watch("--pid", engine.pid)
        engine.release()
        rows = engine.finish()
        summary = next(iter(watch.end().values()))
        self.assert_counts_equal(rows, summary)
        waits = {name.removesuffix("_seconds"): seconds for name, seconds in summary["query_metrics"]["waits"].items()}
        wall = sum(row.end_ns - row.start_ns for row in rows if row.type != "lookup") / 1e9
        self.assertAlmostEqual(sum(waits.values()), wall, delta=0.01 * wall)
        return waits, wall

    @needs_quota
    def test_what_the_quota_takes_is_throttling(self):
        group = Group()
        self.addCleanup(group.remove)
        waits, wall = self.run_engine(1, preexec_fn=group.join)
        say = (waits, wall, group.throttled)
        idle = wall - QUERIES * SPIN_MS / 1000
        self.assertGreater(idle, 0.5 * wall, say)
        # In an emulated machine what else runs wants the processors too, and takes its time.
        self.assertGreater(waits["throttled"], (0.95 if harness.SLOWNESS == 1 else 0.85) * idle, say)
        self.assertLess(waits["throttled"], min(1.02 * idle, 1.02 * group.throttled), say)

    @needs_quota
    def test_several_threads(self):
        group = Group()
        self.addCleanup(group.remove)
        waits, wall = self.run_engine(4, preexec_fn=group.join)
        self.assertGreater(waits["throttled"], 0.5 * wall, (waits, wall, group.throttled))

    def test_what_others_take_is_none(self):
        """Six spinning threads on one processor, without a quota."""
        processor = {min(os.sched_getaffinity(0))}
        waits, wall = self.run_engine(6, preexec_fn=lambda: os.sched_setaffinity(0, processor))
        self.assertGreater(waits["run_queue"], 0.2 * wall, waits)
        self.assertEqual(waits["throttled"], 0, waits)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
