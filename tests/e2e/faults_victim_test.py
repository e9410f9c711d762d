"""What happens to an engine while it is watched: killed at full speed, exec by any of its threads, children of every
kind, a process id that comes round again, ten thousand threads, a long stop, deep nesting, exceptions. The engine ends
as it would have, and every query that it ended by its own record is counted, once."""

import pathlib
import signal
import struct
import subprocess
import sys
import time

import fault_harness
import harness

SPAWN_AS = pathlib.Path(__file__).resolve().parent / "spawn_as.py"
SUSPENDED_SECONDS = 10
THREADS = 10_000
TRACKED_DEPTH = 8  # of nested queries; deeper ones are counted as lost


def shared_counts(path):
    """(begun, ended, failed) of a scripted engine's load, also of one that was killed."""
    words = struct.unpack(f"<{path.stat().st_size // 8}Q", path.read_bytes())
    return tuple(sum(words[at::8]) for at in range(3))


class Victims(harness.Case):
    def watched_script(self, *words, watch=(), **options):
        """A scripted engine under a watch from its first word to its last. Returns the summary."""
        engine = self.scripted(*words, **options)
        watcher = self.watch("--pid", engine.pid, *watch)
        engine.release()
        engine.finish()
        return next(iter(watcher.end().values()))

    def assert_settled(self, summary):
        self.assertEqual(harness.lost(summary), {})
        self.assertEqual(summary["query_metrics"]["current_concurrent"], 0)
        self.assertIsNone(summary["query_metrics"]["oldest_in_flight_seconds"])


class Ends(Victims):
    def test_killed_at_full_speed(self):
        threads = 4
        for way in ("auto", "perf"):
            with self.subTest(way):
                path = self.directory / f"counts-{way}"
                engine = self.scripted("load", path, threads, 60_000)
                watch = self.watch("--pid", engine.pid, "--uprobes", way, "--interval", "200ms")
                engine.release()
                harness.wait_until(lambda: path.exists() and shared_counts(path)[1] > 50_000, 60, "a load")
                engine.signal(signal.SIGKILL)
                self.assertEqual(engine.wait(), -signal.SIGKILL)
                summary = next(iter(watch.end().values()))
                self.assert_settled(summary)
                begun, ended, failed = shared_counts(path)
                metrics = summary["query_metrics"]
                # Each thread was killed somewhere: between a probe and the line that counts, at most.
                self.assertIn(metrics["total_queries"] - ended, range(threads + 1))
                self.assertIn(metrics["failed_queries"] - failed, range(threads + 1))
                self.assertIn(begun - metrics["total_queries"] - metrics["abandoned_queries"], range(threads + 1))

    def test_exec_of_another_program(self):
        summary = self.watched_script("query", "before", 30, "open", "cut", "become", "/bin/true")
        self.assert_settled(summary)
        self.assertEqual(fault_harness.counts(summary), {"before": 30, "cut": 0})
        self.assertEqual(summary["query_metrics"]["abandoned_queries"], 1)

    def test_exec_while_other_threads_are_in_queries(self):
        """The others die in the middle of theirs. By whichever thread, the process stays the target."""
        for how in ("exec", "exec-from-thread"):
            with self.subTest(how):
                summary = self.watched_script("query", "before", 30, "crowd", 20, how, "query", "after", 12, "crowd", 5,
                                              how, "query", "last", 7)
                self.assert_settled(summary)
                self.assertEqual(fault_harness.counts(summary), {"before": 30, "crowd": 0, "after": 12, "last": 7})
                self.assertEqual(summary["query_metrics"]["abandoned_queries"], 25)


class Families(Victims):
    def test_children_that_run_queries(self):
        """Forked all at once, vforked, cloned into the parent's memory, and one that inherits a query in flight."""
        summary = self.watched_script("families", "fork", 300, 20, "families", "vfork", 50, 20, "families", "clone", 50,
                                      20, "inherit", "query", "parent", 5)
        self.assert_settled(summary)
        self.assertEqual(fault_harness.counts(summary),
                         {"fork": 6000, "vfork": 1000, "clone": 1000, "inherited": 1, "parent": 5})
        self.assertEqual(summary["query_metrics"]["abandoned_queries"], 0)

    def test_a_storm_of_forks_under_load(self):
        for way in ("auto", "perf"):
            with self.subTest(way):
                rows, summary = self.watched_run("--rate", 2000, "--duration", 3, "--forks", 1000, "--spawn", 100,
                                                 "--fault", "errors:5@0", watch=("--uprobes", way))
                self.assert_counts_equal(rows, summary)


class ProcessIds(Victims):
    def run_as(self, pid, *words, binary=harness.SCRIPTED):
        """A scripted engine with that process id, to its end."""
        subprocess.run([sys.executable, SPAWN_AS, str(pid), binary, *map(str, words)], check=True,
                       timeout=harness.PATIENCE_SECONDS)

    def test_a_stranger_with_a_watched_process_id(self):
        """It runs the same binary, so the probes are there; it was never asked for."""
        gone = self.scripted("load", self.directory / "gone", 8, 300)
        stays = self.scripted("query", "early", 10, "wait", "query", "late", 10, stdin=subprocess.PIPE)
        watch = self.watch("--pid", gone.pid, "--pid", stays.pid, "--interval", "200ms")
        for engine in (gone, stays):
            engine.release()
        gone.finish()
        for _ in range(5):
            self.run_as(gone.pid, "query", "stranger", 500)
        time.sleep(0.5)  # some intervals later
        self.run_as(gone.pid, "query", "stranger", 500)
        stays.process.stdin.write("x")
        stays.process.stdin.close()
        stays.finish()
        summaries = watch.end()
        of = {pid: next(line for name, line in summaries.items() if str(pid) in name) for pid in (gone.pid, stays.pid)}
        for summary in of.values():
            self.assert_settled(summary)
        begun, ended, failed = shared_counts(self.directory / "gone")
        self.assertEqual(begun, ended)
        self.assertEqual(fault_harness.counts(of[gone.pid]), {"load": ended})
        self.assertEqual(of[gone.pid]["query_metrics"]["failed_queries"], failed)
        self.assertEqual(fault_harness.counts(of[stays.pid]), {"early": 10, "late": 10})

    def test_an_engine_that_always_has_the_same_process_id(self):
        """Followed by its file; between two lives another program has the id."""
        binary = harness.copy_of_engine(self.directory, source=harness.SCRIPTED)
        first = harness.Child([binary, "rest", 1])
        self.addCleanup(first.kill)
        watch = self.watch("--exe", binary, "--interval", "200ms")
        self.assertEqual(first.wait(), 0)
        truth = [0, 0, 0]
        for life in range(6):
            path = self.directory / f"life-{life}"
            self.run_as(first.pid, "load", path, 4, 150, binary=binary)
            self.run_as(first.pid, "query", "stranger", 100)
            truth = [sum(pair) for pair in zip(truth, shared_counts(path))]
        summary = watch.stop_one()
        self.assert_settled(summary)
        self.assertEqual(truth[0], truth[1])
        self.assertEqual(fault_harness.counts(summary), {"load": truth[1]})
        self.assertEqual(summary["query_metrics"]["failed_queries"], truth[2])
        self.assertEqual(summary["query_metrics"]["abandoned_queries"], 0)


def thread_limits():
    """What bounds the threads of a process of root -> how many that leaves it, with room for everybody else. (The limit
    of a user's processes is none for root.)"""
    shares = {"kernel/threads-max": 2, "kernel/pid_max": 3, "vm/max_map_count": 4}  # a thread's stack is two maps
    limits = {name: int((pathlib.Path("/proc/sys") / name).read_text()) // share for name, share in shares.items()}
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        root = pathlib.Path("/sys/fs/cgroup", *(["pids"] if "pids" in controllers.split(",") else []))
        for folder in (group, *map(str, pathlib.PurePath(group).parents)):
            path = root / folder.lstrip("/") / "pids.max"
            if path.exists() and (text := path.read_text().strip()) != "max":
                limits[str(path)] = int(text) // 2
    return limits


class Shapes(Victims):
    def need_threads(self, threads):
        name, most = min(thread_limits().items(), key=lambda limit: limit[1])
        if most < threads:
            self.skipTest(f"no room for {THREADS:,} threads: {name} leaves {most:,}, and this test wants {threads:,}")

    def test_ten_thousand_threads(self):
        """All of them in a query at the same moment, twice."""
        self.need_threads(THREADS)
        summary = self.watched_script("together", THREADS, "together", THREADS, "query", "after", 10)
        self.assert_settled(summary)
        self.assertEqual(fault_harness.counts(summary), {"together": 2 * THREADS, "after": 10})
        self.assertEqual(summary["query_metrics"]["peak_concurrent"], THREADS)
        self.assertEqual(summary["query_metrics"]["abandoned_queries"], 0)

    def test_an_attach_to_thousands_of_threads_that_run(self):
        threads = THREADS // 2
        self.need_threads(threads)
        engine = self.scripted("crowd", threads, "wait", "query", "after", 10, stdin=subprocess.PIPE)
        engine.release()
        harness.wait_until(lambda: len(list(pathlib.Path(f"/proc/{engine.pid}/task").iterdir())) > threads, 60,
                           "all threads")
        watch = self.watch("--pid", engine.pid)
        engine.process.stdin.write("x")
        engine.process.stdin.close()
        engine.finish()
        summary = next(iter(watch.end().values()))
        self.assert_settled(summary)
        # The crowd's queries began before anybody watched, and never end.
        self.assertEqual(fault_harness.counts(summary), {"after": 10})

    def test_a_long_stop_in_the_middle(self):
        """What was in flight took as long as it did; the rest comes late. Means and counts stay exact."""
        engine = self.engine("--threads", 6, "--rate", 800, "--arrivals", "fixed", "--queries", 3200, "--fault",
                             "sleep:5@0")
        watch = self.watch("--pid", engine.pid, "--interval", "500ms")
        engine.release()
        time.sleep(2)
        engine.signal(signal.SIGSTOP)
        harness.wait_until(lambda: fault_harness.process_state(engine.pid) == "T", 30, "the stop")
        time.sleep(SUSPENDED_SECONDS)
        quiet = watch.snapshots()[-1]["query_metrics"]
        self.assertEqual(quiet["interval_queries"], 0)
        self.assertGreater(quiet["current_concurrent"], 0)
        self.assertGreater(quiet["oldest_in_flight_seconds"], SUSPENDED_SECONDS - 2)
        engine.signal(signal.SIGCONT)
        rows = engine.finish()
        self.assertEqual(len(rows), 3200)
        summary = next(iter(watch.end().values()))
        self.assert_counts_equal(rows, summary)
        self.assert_settled(summary)
        metrics = summary["query_metrics"]
        durations = [(row.end_ns - row.start_ns) / 1e9 for row in rows]
        self.assertGreater(max(durations), SUSPENDED_SECONDS)
        self.assertAlmostEqual(metrics["avg_response_time_seconds"], sum(durations) / len(rows), delta=1e-8)
        self.assertAlmostEqual(metrics["max_response_time_seconds"] / max(durations), 1,
                               delta=metrics["percentile_error"])
        self.assertAlmostEqual(sum(metrics["waits"].values()) / sum(durations), 1, delta=0.001)

    def test_sixty_four_queries_within_each_other(self):
        depth, times = 64, 50
        for way in ("auto", "perf"):
            with self.subTest(way):
                summary = self.watched_script(*["nest", depth] * times, "query", "after", 10, watch=("--uprobes", way))
                self.assertEqual(fault_harness.counts(summary), {"nested": TRACKED_DEPTH * times, "after": 10})
                self.assertEqual(harness.lost(summary), {"too_deep": (depth - TRACKED_DEPTH) * times})
                self.assertEqual(summary["query_metrics"]["total_queries"], times + 10)
                self.assertEqual(summary["query_metrics"]["abandoned_queries"], 0)
                self.assertEqual(summary["query_metrics"]["current_concurrent"], 0)

    def test_exceptions_through_every_probe(self):
        times, through = 2000, 3  # as scripted_faults.h says
        for way in ("auto", "perf"):
            with self.subTest(way):
                summary = self.watched_script("throws", times, "query", "after", 10, watch=("--uprobes", way))
                self.assert_settled(summary)
                self.assertEqual(fault_harness.counts(summary),
                                 {"thrown": times * through, "dropped": times, "after": 10})
                breakdown = summary["query_metrics"]["query_type_breakdown"]
                failed = {name: figures["failed"] for name, figures in breakdown.items() if figures["failed"]}
                self.assertEqual(failed, {"thrown": times * through, "dropped": times})
                self.assertEqual(summary["query_metrics"]["phases"]["doomed"]["count"], times * through)
                self.assertEqual(summary["query_metrics"]["abandoned_queries"], 0)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
