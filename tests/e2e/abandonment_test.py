"""Queries that never end: frames skipped by longjmp, threads that exit in the middle, processes that are killed. Each
is counted as abandoned, none stays in flight, the ended ones stay exact, and nothing piles up in the agent."""

import pathlib
import signal

import harness

HANG = ("--fault", "hang@0.5", "--rate", 0, "--duration", 60)


def footprint(pid):
    """Resident memory in KiB, open descriptors."""
    proc = pathlib.Path(f"/proc/{pid}")
    resident = next(line for line in (proc / "status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(resident.split()[1]), len(list((proc / "fd").iterdir()))


# Ten thousand forks took 39 s without a watcher on a busy machine.
FORKS_SECONDS = 240


class Abandonment(harness.Case):
    def assert_settled(self, metrics):
        self.assertEqual(metrics["current_concurrent"], 0)
        self.assertIsNone(metrics["oldest_in_flight_seconds"])

    def assert_abandoned(self, rows, summary):
        self.assert_counts_equal(rows, summary)
        metrics = summary["query_metrics"]
        self.assertEqual(metrics["total_queries"], sum(row.type != "lookup" for row in rows))
        self.assertGreater(self.last_engine.abandoned(), 100)
        self.assertEqual(metrics["abandoned_queries"], self.last_engine.abandoned())
        by_type = metrics["query_type_breakdown"].values()
        self.assertEqual(sum(figures["abandoned"] for figures in by_type), self.last_engine.abandoned())
        self.assert_settled(metrics)

    def test_longjmp(self):
        self.assert_abandoned(*self.watched_run("--rate", 0, "--queries", 50_000, "--longjmp", 10))

    def test_threads_that_exit_in_the_middle(self):
        self.assert_abandoned(*self.watched_run("--rate", 0, "--queries", 5_000, "--exit-threads", 10))

    def test_ten_thousand_forks_and_thousands_of_threads(self):
        binary = harness.copy_of_engine(self.directory)
        engine = self.engine("--rate", 1000, "--duration", 8, "--forks", 10_000, "--spawn", 150, "--longjmp", 5,
                             "--exit-threads", 5, binary=binary)
        self.last_engine = engine
        watch = self.watch("--exe", binary, "--interval", "500ms")
        engine.release()
        harness.wait_until(lambda: len(watch.snapshots()) >= 4, 30, "four snapshots")
        memory, descriptors = footprint(watch.pid)
        rows = engine.finish(FORKS_SECONDS)
        enough = len(watch.snapshots()) + 2
        harness.wait_until(lambda: len(watch.snapshots()) >= enough, 30, "two snapshots after the engine's end")
        self.assert_settled(watch.snapshots()[-1]["query_metrics"])
        self.assertLess(footprint(watch.pid)[0] - memory, 2048, "the agent's memory grew by so many KiB")
        # In some intervals the agent holds one more, for the kernel's statistics; what leaked would stay.
        harness.wait_until(lambda: footprint(watch.pid)[1] <= descriptors, 30, "no more descriptors than before")
        for name in ("processes", "detached"):
            self.assertEqual(harness.bpf_map_entries(watch.pid, name), 0, f"{name} has a stale entry")
        self.assert_abandoned(rows, watch.stop_one())

    def kill_in_the_middle(self, *arguments, in_flight):
        """A hang leaves every worker with a query open; then the process is killed."""
        engine = self.engine(*HANG, *arguments, record=False)
        watch = self.watch("--pid", engine.pid, "--interval", "200ms")
        engine.release()
        def hung():
            last = [line["query_metrics"] for line in watch.snapshots()][-2:]
            still = len(last) == 2 and last[0]["total_queries"] == last[1]["total_queries"] > 0
            still = still and last[0]["current_concurrent"] == last[1]["current_concurrent"] > 0
            return last[-1] if still and last[1]["oldest_in_flight_seconds"] > 0.2 else None
        before = harness.wait_until(hung, 30, "the hang in our figures")
        self.assertEqual(before["current_concurrent"], in_flight)
        engine.signal(signal.SIGKILL)
        self.assertEqual(engine.wait(), -signal.SIGKILL)
        summary = next(iter(watch.end().values()))
        metrics = summary["query_metrics"]
        self.assertEqual(metrics["abandoned_queries"], in_flight)
        self.assertEqual(metrics["total_queries"], before["total_queries"])
        self.assertEqual(harness.losses(summary), 0)
        self.assert_settled(metrics)

    def test_killed_with_queries_on_threads(self):
        self.kill_in_the_middle("--threads", 4, in_flight=4)

    def test_killed_with_queries_between_threads(self):
        self.kill_in_the_middle("--mode", "hop", "--threads", 4, in_flight=2)

    def test_killed_with_nested_queries(self):
        self.kill_in_the_middle("--mode", "nested", "--threads", 3, in_flight=3)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
