"""A process that joins a running watch, for it loads its engine's library late: what it used before is no interval's."""

import subprocess
import sys
import time

import harness

NAME = "latecomer"
BURNT_SECONDS = 5
PROGRAM = f"""
import sys, time
open("/proc/self/comm", "w").write("{NAME}")
while time.process_time() < {BURNT_SECONDS}: pass
print("burnt", flush=True)
sys.stdin.readline()
import sqlite3
connection = sqlite3.connect(":memory:")
print("loaded", flush=True)
sys.stdin.readline()
for _ in range(20): connection.execute("SELECT 1").fetchall()
print("done", flush=True)
sys.stdin.readline()
"""


class LateJoin(harness.Case):
    def test_what_it_used_before_is_no_intervals(self):
        watch = self.watch("--name", NAME, "--allow-library-returns", "--types", "keyword")
        program = harness.Child([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE)
        self.addCleanup(program.process.stdin.close)
        self.addCleanup(program.kill)

        def go(until):
            program.process.stdin.write("\n")
            program.process.stdin.flush()
            program.await_line(program.out, until, harness.PATIENCE_SECONDS)

        program.await_line(program.out, "burnt", harness.PATIENCE_SECONDS)
        watch.await_line(watch.err, "no profile fits", harness.PATIENCE_SECONDS)  # refused: it is no engine yet
        go("loaded")
        watch.await_line(watch.err, "is watched from now on", harness.PATIENCE_SECONDS)
        go("done")
        time.sleep(2)
        summary = watch.stop_one()
        self.assertEqual({name: type["count"] for name, type in summary["query_metrics"]["query_type_breakdown"].items() if type["count"]},
                         {"SELECT": 20})
        cores = [snapshot["target_metrics"]["cpu_cores"] or 0 for snapshot in watch.snapshots()]
        self.assertGreater(len(cores), 2)
        self.assertLess(max(cores), 1.5, cores)  # it has one thread


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
