"""Flame graphs of PostgreSQL as Debian builds it, without frame pointers: a query that sorts shows the sort, with its
callers up to main(), and a session that waits for another one's row lock shows where."""

import json
import platform
import re
import subprocess
import threading

import harness
import postgresql_server

SORT = "SELECT count(*) FROM (SELECT md5(g::text) AS m FROM generate_series(1, 100000) g ORDER BY m DESC OFFSET 0) s"
COUNT = "SELECT count(*) FROM generate_series(1, 300000)"


class PostgresqlFlame(postgresql_server.Case):
    def record(self, *arguments):
        """Returns [(frames, value)] and what was said."""
        child = harness.Child([harness.OUTRIDER, "flame", "--pid", self.server.pid, *arguments])
        self.addCleanup(child.kill)
        child.await_line(child.err, "recording", harness.ATTACH_SECONDS)
        self.assertEqual(child.wait(), 0, child.describe())
        stacks = [line.rpartition(" ") for line in child.out]
        return [(frames.split(";"), int(value)) for frames, _, value in stacks], "\n".join(child.err)

    def busy(self, work):
        """Does `work` again and again in a thread until the test ends."""
        over = threading.Event()

        def repeat():
            with self.server.session() as session:
                while not over.is_set():
                    work(session)
        thread = threading.Thread(target=repeat)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)

    def test_sort(self):
        self.busy(lambda session: session.query(SORT))
        stacks, said = self.record("--for", "4s", "--type", "SELECT")
        total = sum(value for _, value in stacks)
        def sorts(frames):
            return any(frame.startswith("tuplesort_") for frame in frames)
        sorting = sum(value for frames, value in stacks if sorts(frames))
        self.assertGreater(total, 50, said)
        self.assertGreater(sorting, 0.2 * total, said)
        if platform.machine() != "x86_64":
            print("skipped: callers without frame pointers are found on x86-64 only")
            return
        self.assertLess(float(re.search(r"truncated: ([\d.]+) %", said)[1]), 5, said)
        whole = [frames for frames, _ in stacks if sorts(frames) and frames[0] != "[truncated]"]
        self.assertTrue(any("main" in frames and "PostgresMain" in frames for frames in whole), whole[:3])

    def test_one_statement_of_two(self):
        self.busy(lambda session: session.query(SORT))
        self.busy(lambda session: session.query(COUNT))
        slow = subprocess.run([harness.OUTRIDER, "slow", "--pid", str(self.server.pid), "--for", "2s", "--query-text", "normalised", "--format",
                               "json"], capture_output=True, text=True, timeout=60, check=True)
        (counting,) = {query["type"] for query in json.loads(slow.stdout)["slow"] if query["text"] == COUNT.lower().replace("1, 300000", "?, ?")}
        stacks, said = self.record("--for", "3s", "--type", counting)
        self.assertGreater(sum(value for _, value in stacks), 50, said)
        frames = {frame for frames, _ in stacks for frame in frames}
        self.assertFalse({frame for frame in frames if frame.startswith("tuplesort_")}, said)
        self.assertTrue({frame for frame in frames if "generate_series" in frame}, frames)

    def test_row_lock(self):
        self.server.query("CREATE TABLE counters (id int, n int)")
        self.server.query("INSERT INTO counters VALUES (1, 0)")
        for _ in range(2):
            self.busy(lambda session: session.query(
                "UPDATE counters SET n = n + 1 WHERE id = 1 RETURNING pg_sleep(0.02)"))
        stacks, said = self.record("--for", "4s", "--type", "UPDATE", "--off-cpu")
        total = sum(value for _, value in stacks)
        waiting = sum(value for frames, value in stacks if any("WaitOnLock" in f or "ProcSleep" in f for f in frames))
        self.assertGreater(waiting, 0.2 * total, said)


if __name__ == "__main__":
    harness.main()
