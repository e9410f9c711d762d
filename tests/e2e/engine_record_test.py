"""graph-engine's own record is the truth that Outrider is checked against, so it is checked first: its counts, its
order, its clocks and the waits that it plants. Needs no privileges and no kernel feature."""

import csv
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

ENGINE = pathlib.Path(os.environ.get("OUTRIDER_BUILD", "build")) / "bin" / "graph-engine"
HEADER = ["start_ns", "end_ns", "type", "ok", "thread", "hits", "misses", "wait_class", "wait_ns", "detached_ns"]
INTENTS = {"factual", "relational", "hierarchical", "path", "aggregate"}
MS = 1_000_000


class Run:
    """One finished run: its rows with numbers in them, and what it printed."""

    def __init__(self, directory, *arguments):
        path = pathlib.Path(directory) / "record.csv"
        self.before_ns = time.monotonic_ns()
        done = subprocess.run([ENGINE, "--record", path, *map(str, arguments)], capture_output=True, text=True,
                              timeout=120, check=False)
        self.after_ns = time.monotonic_ns()
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.rows = read(path) if path.exists() else None


def read(path):
    with open(path, newline="", encoding="ascii") as file:
        rows = list(csv.reader(file))
    assert rows[0] == HEADER, rows[0]
    numbers = set(HEADER) - {"type", "wait_class"}
    return [{name: int(value) if name in numbers else value for name, value in zip(HEADER, row, strict=True)}
            for row in rows[1:]]


def peak(rows):
    """The largest number of rows that overlap."""
    events = sorted([(row["start_ns"], 1) for row in rows] + [(row["end_ns"], -1) for row in rows])
    here = most = 0
    for _, step in events:
        here += step
        most = max(most, here)
    return most


class EngineRecord(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def run_engine(self, *arguments):
        run = Run(self.directory.name, *arguments)
        self.assertEqual(run.code, 0, run.err)
        self.assertRegex(run.out, r"\Aready pid=\d+\n\Z")
        for row in run.rows:
            self.assertLessEqual(run.before_ns, row["start_ns"])
            self.assertLessEqual(row["start_ns"], row["end_ns"])
            self.assertLessEqual(row["end_ns"], run.after_ns)
            self.assertLessEqual(row["wait_ns"] + row["detached_ns"], row["end_ns"] - row["start_ns"])
        starts = [row["start_ns"] for row in run.rows]
        self.assertEqual(starts, sorted(starts))
        return run

    def test_every_query_is_recorded_once_in_every_mode(self):
        for mode in ("blocking", "hop", "loop"):
            run = self.run_engine("--mode", mode, "--rate", 0, "--queries", 20_000)
            self.assertEqual(len(run.rows), 20_000, mode)
            self.assertEqual({row["type"] for row in run.rows}, INTENTS)
            self.assertEqual({row["ok"] for row in run.rows}, {1})
        nested = self.run_engine("--mode", "nested", "--rate", 0, "--queries", 5_000)
        self.assertEqual(sum(row["type"] == "lookup" for row in nested.rows), 5_000)
        self.assertEqual(sum(row["type"] in INTENTS for row in nested.rows), 5_000)

    def test_a_seed_fixes_the_queries_whatever_the_threads(self):
        def types(*arguments):
            rows = self.run_engine("--rate", 0, "--queries", 2_000, *arguments).rows
            return sorted(row["type"] for row in rows)

        self.assertEqual(types("--threads", 1), types("--threads", 8))
        self.assertNotEqual(types("--threads", 1), types("--threads", 1, "--seed", 2))

    def test_the_summary_agrees_with_the_record(self):
        run = self.run_engine("--rate", 0, "--queries", 3_000, "--fault", "errors:20@0")
        for line in run.err.splitlines():
            name, *words = line.split()
            if name not in INTENTS:
                continue
            rows = [row for row in run.rows if row["type"] == name]
            self.assertEqual(int(words[1]), len(rows))
            self.assertEqual(int(words[3]), sum(row["ok"] == 0 for row in rows))
            mean = sum(row["end_ns"] - row["start_ns"] for row in rows) / len(rows) / 1000
            self.assertAlmostEqual(float(words[5]), mean, delta=0.006)  # printed with two digits
        failures = sum(row["ok"] == 0 for row in run.rows)
        self.assertAlmostEqual(failures, 600, delta=110)  # five times sqrt(3000 * 0.2 * 0.8) = 22
        self.assertRegex(run.err, r"wall time +\d+\.\d+ s")

    def test_threads_are_kernel_threads_and_queries_of_a_thread_do_not_overlap(self):
        run = self.run_engine("--threads", 40, "--rate", 0, "--duration", 1, "--fault", "sleep:5@0")
        threads = {row["thread"] for row in run.rows}
        self.assertEqual(len(threads), 40)
        for thread in threads:
            mine = [row for row in run.rows if row["thread"] == thread]
            for earlier, later in zip(mine, mine[1:]):
                self.assertLessEqual(earlier["end_ns"], later["start_ns"])
        self.assertIn(peak(run.rows), range(38, 41))  # all 40 sleep together; one or two may be between queries

    def test_nested_queries_lie_within_their_outer_one(self):
        rows = self.run_engine("--mode", "nested", "--threads", 1, "--rate", 0, "--queries", 500,
                               "--fault", "cond:1/20@0").rows
        outer = [row for row in rows if row["type"] != "lookup"]
        inner = [row for row in rows if row["type"] == "lookup"]
        for around, within in zip(outer, inner, strict=True):
            self.assertLessEqual(around["start_ns"], within["start_ns"])
            self.assertLessEqual(within["end_ns"], around["end_ns"])
            self.assertEqual((around["wait_class"], around["wait_ns"]), (within["wait_class"], within["wait_ns"]))

    def test_planted_waits_last_about_as_long_as_asked_for(self):
        kinds = {"cond": "sync", "pipe": "ipc", "socket": "network", "poll": "poll", "sleep": "sleep",
                 "io_uring": "io_uring", "spin": "cpu", "disk": "disk", "fault": "page_fault", "lock": "lock"}
        for kind, wait_class in kinds.items():
            run = self.run_engine("--threads", 2, "--rate", 0, "--duration", 0.5, "--fault", f"{kind}:5@0")
            left_out = [line for line in run.err.splitlines() if "fault left out" in line]
            if left_out:
                print(f"skipped: {kind}: {left_out[0]}")
                continue
            with self.subTest(kind):
                self.assertEqual({row["wait_class"] for row in run.rows}, {wait_class})
                waits = sorted(row["wait_ns"] for row in run.rows)
                if kind == "lock":
                    # While the convoy's own thread waits for a processor nobody holds the lock, and queries rush by.
                    waits = [wait for wait in waits if wait > 0]
                    self.assertGreater(sum(waits), 250 * MS)  # of two threads' 500 each
                # A read or a page fault costs CPU besides its wait, which the record leaves out.
                least = 1.5 * MS if kind in ("disk", "fault") else 4.5 * MS
                self.assertGreater(waits[len(waits) // 2], least)
                self.assertLess(waits[len(waits) // 2], 10 * MS)

    def test_a_share_hits_that_share_and_a_time_that_time(self):
        run = self.run_engine("--rate", 1000, "--arrivals", "fixed", "--duration", 3, "--fault", "sleep:1/20@1+1")
        begin = run.rows[0]["start_ns"]
        hit = [row for row in run.rows if row["wait_class"]]
        self.assertAlmostEqual(len(hit), 200, delta=65)  # five times sqrt(1000 * 0.2 * 0.8) = 13
        for row in hit:
            self.assertTrue(0.99 <= (row["start_ns"] - begin) / 1e9 <= 2.5, row)

    def test_an_open_loop_keeps_its_rate_and_drops_what_it_should(self):
        run = self.run_engine("--rate", 1000, "--arrivals", "fixed", "--duration", 2)
        self.assertAlmostEqual(len(run.rows), 2000, delta=5)
        halved = self.run_engine("--rate", 1000, "--arrivals", "fixed", "--duration", 2, "--fault", "drop:50@0")
        self.assertAlmostEqual(len(halved.rows), 1000, delta=115)  # five times sqrt(2000 * 0.25) = 22

    def test_a_hang_ends_no_query_until_it_is_over(self):
        run = self.run_engine("--rate", 500, "--duration", 1.5, "--fault", "hang@0.5+0.5")
        begin = run.rows[0]["start_ns"]
        ends = sorted((row["end_ns"] - begin) / 1e9 for row in run.rows)
        gap = max(later - earlier for earlier, later in zip(ends, ends[1:]))
        self.assertGreater(gap, 0.45)
        self.assertLess(gap, 0.8)

    def test_what_is_abandoned_is_counted_and_not_recorded(self):
        run = self.run_engine("--rate", 0, "--queries", 5_000, "--longjmp", 10)
        abandoned = int(run.err.split("longjmp")[1].split()[0])
        self.assertAlmostEqual(abandoned, 500, delta=110)
        self.assertEqual(len(run.rows) + abandoned, 5_000)
        run = self.run_engine("--rate", 0, "--queries", 1_000, "--exit-threads", 10, "--forks", 5, "--spawn", 50)
        exits = int(run.err.split("thread exits")[1].split()[0])
        self.assertEqual(len(run.rows) + exits, 1_000)
        self.assertGreater(exits, 50)

    def test_a_signal_ends_it_early_with_its_record(self):
        path = pathlib.Path(self.directory.name) / "early.csv"
        for delay in ("0", "30"):
            with subprocess.Popen([ENGINE, "--delay", delay, "--duration", "60", "--record", path], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                self.assertEqual(process.stdout.readline(), f"ready pid={process.pid}\n")
                time.sleep(0.5)
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=10)
            self.assertEqual(process.returncode, 0)
            self.assertEqual(len(read(path)) > 0, delay == "0")

    def test_a_crash_leaves_no_record(self):
        run = Run(self.directory.name, "--duration", 5, "--fault", "crash@0.2")
        self.assertEqual(run.code, -signal.SIGABRT)
        self.assertIsNone(run.rows)
        self.assertEqual(os.listdir(self.directory.name), [])

    def test_bad_arguments_are_one_sentence_and_code_2(self):
        for arguments in (["--fault", "quake@1"], ["--fault", "slow"], ["--mode", "x"], ["--threads", 0], ["--wat"],
                          ["--rate", "-1"], ["--mode", "hop", "--longjmp", 5]):
            run = Run(self.directory.name, *arguments)
            self.assertEqual((run.code, run.out), (2, ""), arguments)
            self.assertEqual(len(run.err.splitlines()), 1, run.err)
        run = Run(self.directory.name + "/missing", "--duration", 0)
        self.assertEqual(run.code, 1)
        self.assertIn("cannot write the record", run.err)


if __name__ == "__main__":
    unittest.main()
