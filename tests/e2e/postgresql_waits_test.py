"""What PostgreSQL's queries wait for: waits of known length land in their class, and the picture of a mixed load is
that of pg_stat_activity, sampled beside it."""

import collections
import os
import pathlib
import re
import threading
import time

import harness
import postgresql_server
from slow_disk import SlowDisk

# The row stays locked until the transaction's end.
CONTENDED = """\\set id random(1, 2)
BEGIN;
UPDATE hot SET n = n + 1 WHERE id = :id;
SELECT pg_sleep(0.004);
SELECT count(*) FROM generate_series(1, 5000);
END;
SELECT pg_sleep(0.004);
"""
SAMPLER = "WITH"  # its own type of query, so that it can be left out
SAMPLE = f"""
    {SAMPLER} others AS (SELECT * FROM pg_stat_activity WHERE pid <> pg_backend_pid())
    SELECT coalesce(wait_event_type, 'CPU') FROM others WHERE state = 'active' AND backend_type = 'client backend'"""
# pg_stat_activity's types in the words of ours. A process that waits for nothing runs, or would like to.
CLASS_OF = {"CPU": "cpu", "Lock": "lock", "LWLock": "lock", "BufferPin": "lock", "Timeout": "sleep", "IO": "disk",
            "Client": "network", "IPC": "ipc"}
SAMPLE_SECONDS = 0.02


def waits(line, kind=None):
    """Seconds by class, of one type of query or of all."""
    figures = line["query_metrics"]
    found = (figures["query_type_breakdown"][kind] if kind else figures)["waits"]
    return {name.removesuffix("_seconds"): seconds for name, seconds in found.items()}


class PostgresqlWaits(postgresql_server.Case):
    SERVER_SETTINGS = {"fsync": "on", "track_io_timing": "on", "shared_buffers": "'16MB'"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.query("CREATE TABLE hot AS SELECT id, 0 AS n FROM generate_series(1, 4) AS id")

    def watch_waits(self):
        watch = self.watch_server("--types", "keyword")
        self.assertTrue(any("waits as the engine notes them" in line for line in watch.err), watch.describe())
        return watch

    def check_whole(self, summary):
        """The parts are the wall time."""
        figures = summary["query_metrics"]
        wall = figures["avg_response_time_seconds"] * figures["total_queries"]
        self.assertAlmostEqual(sum(waits(summary).values()), wall, delta=0.01 * wall)
        self.assertLess(waits(summary)["unattributed"] + waits(summary)["other"], 0.05 * wall)

    def test_a_row_lock_is_a_lock(self):
        holder, waiter = self.session(), self.session()
        holder.query("BEGIN; UPDATE hot SET n = n + 1 WHERE id = 1")
        watch = self.watch_waits()
        began = time.monotonic()
        waiter.send_query("UPDATE hot SET n = n + 1 WHERE id = 1")
        time.sleep(2)
        holder.query("COMMIT")
        waiter.read_answer()
        held = time.monotonic() - began
        summary = watch.stop_one()
        got = waits(summary, "UPDATE")
        print(f"a row lock held for {held:.3f} s: {got}")
        self.assertGreater(got["lock"], 0.95 * 2)
        self.assertLessEqual(got["lock"], held)
        self.assertLess(got["poll"] + got["sync"] + got["sleep"] + got["other"], 0.02)
        self.check_whole(summary)

    def test_an_advisory_lock_is_a_lock(self):
        """It is waited for by the extended protocol, too."""
        holder, waiter = self.session(), self.session()
        holder.query("SELECT pg_advisory_lock(7)")
        watch = self.watch_waits()
        waiting = threading.Thread(target=waiter.extended, args=("SELECT pg_advisory_lock(7)",))
        waiting.start()
        time.sleep(1)
        holder.query("SELECT pg_advisory_unlock(7)")
        waiting.join(20)
        summary = watch.stop_one()
        self.assertGreater(waits(summary)["lock"], 0.95)
        self.check_whole(summary)

    def test_without_the_note_lock_probes_tell_locks_and_nobody_sleeps(self):
        """A binary whose variable cannot be found: the kernel sees both of them in epoll_wait."""
        text = (harness.SOURCE / "usdt" / "profiles" / "postgresql.toml").read_text(encoding="utf-8")
        profile = self.directory / "no_note.toml"
        profile.write_text(text.replace('"my_wait_event_info"', '"nowhere_to_be_found"'), encoding="utf-8")
        holder, waiter = self.session(), self.session()
        holder.query("SELECT pg_advisory_lock(8)")
        watch = self.watch_server("--types", "keyword", "--profile", profile)
        waiting = threading.Thread(target=waiter.query, args=("SELECT pg_advisory_lock(8)",))
        waiting.start()
        time.sleep(1)
        holder.query("SELECT pg_advisory_unlock(8)")
        waiting.join(20)
        holder.query("SELECT pg_sleep(0.5)")
        summary = watch.stop_one()
        self.assertAlmostEqual(waits(summary)["lock"], 1, delta=0.1)
        self.assertAlmostEqual(waits(summary)["poll"], 0.5, delta=0.05)
        self.assertEqual(waits(summary)["sleep"], 0)
        self.check_whole(summary)

    def test_pg_sleep_is_a_sleep(self):
        session = self.session()
        watch = self.watch_waits()
        session.query("SELECT pg_sleep(1)")
        session.extended("SELECT pg_sleep(0.5)")
        summary = watch.stop_one()
        got = waits(summary)
        print(f"pg_sleep(1.5): {got}")
        self.assertGreater(got["sleep"], 0.95 * 1.5)
        self.assertLess(got["poll"] + got["lock"] + got["other"], 0.02)
        self.check_whole(summary)

    def test_a_slow_client_is_the_network(self):
        session = self.session()
        watch = self.watch_waits()
        session.send_query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
        time.sleep(1)  # its answer is larger than what a socket holds
        session.read_answer()
        summary = watch.stop_one()
        self.assertGreater(waits(summary)["network"], 0.8)
        self.check_whole(summary)

    def test_parallel_workers_are_ipc(self):
        """The leader has nothing to do but to wait for them."""
        session = self.session()
        session.query("ALTER TABLE hot SET (parallel_workers = 2)")
        for setting in ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0",
                        "parallel_leader_participation = off"):
            session.query("SET " + setting)
        watch = self.watch_waits()
        session.query("SELECT count(*) FROM hot WHERE pg_sleep(0.25) IS NOT NULL")
        summary = watch.stop_one()
        self.assertGreater(waits(summary)["ipc"], 0.45)  # two of them share four rows, at worst evenly
        self.assertLess(waits(summary)["sleep"], 0.01)
        self.check_whole(summary)

    def scan(self, disk, query, *settings):
        """Explains and runs it. Returns the seconds of reading by the server's own clock, and our summary."""
        with self.server.session() as session:
            for setting in ("max_parallel_workers_per_gather = 0", *settings):
                session.query("SET " + setting)
            disk.join(session.query("SELECT pg_backend_pid()")[0][0])
            watch = self.watch_waits()
            plan = " ".join(row[0] for row in session.query("EXPLAIN (ANALYZE, BUFFERS) " + query))
            timing = re.search(r"I/O Timings:[a-z/ ]* read=([0-9.]+)", plan)
            return float(timing.group(1)) / 1000 if timing else 0.0, watch.stop_one()

    def test_a_cold_scan_is_the_disk(self):
        self.server.query(
            "CREATE TABLE big AS SELECT id, repeat('x', 1000) AS filler FROM generate_series(1, 100000) AS id")
        self.server.query("CREATE INDEX big_key ON big (id)")
        self.server.query("VACUUM ANALYZE big")  # or the first scan would write hint bits
        self.server.query("CHECKPOINT")
        paths = [self.server.file_of(name) for name in ("big", "big_key")]
        self.server.shut_down()
        for path in paths:
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.server.start()
        disk = SlowDisk(paths[0])
        self.addCleanup(disk.remove)
        # Through the index in an order of which the kernel cannot read ahead, as it does of a table from end to end
        # (then there may be nothing to wait for). Nearly every row is in a page of its own.
        at_random = ("""SELECT sum(length(filler)) FROM generate_series(1, 1000) AS i
                        JOIN big ON id = i * 7919 % 100000 + 1""", "enable_hashjoin = off", "enable_mergejoin = off")
        io_seconds, cold = self.scan(disk, *at_random)
        got = waits(cold)
        print(f"cold: the server read for {io_seconds:.3f} s: {got}")
        self.assertGreater(io_seconds, 0.75 * 1000 / SlowDisk.READS_PER_SECOND)
        self.assertGreater(got["disk"], 0.85 * io_seconds)  # the server's time holds the CPU time of its reads
        self.assertLess(got["disk"], 1.02 * io_seconds)
        self.check_whole(cold)
        _, warm = self.scan(disk, *at_random)
        print(f"warm: {waits(warm)}")
        self.assertLess(waits(warm)["disk"], 0.1 * got["disk"])

    def sample(self, seconds):
        """How often an active backend was seen in each of our classes, its sessions asked every 20 ms."""
        seen = collections.Counter()
        with self.server.session() as session:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                seen.update(CLASS_OF.get(kind, kind) for (kind,) in session.query(SAMPLE))
                time.sleep(SAMPLE_SECONDS)
        return seen

    def test_a_mixed_load_looks_as_in_pg_stat_activity(self):
        script = self.server.directory / "contended.sql"
        script.write_text(CONTENDED, encoding="ascii")
        watch = self.watch_waits()
        load = threading.Thread(target=self.server.pgbench, kwargs={"seconds": 60},
                                args=("--no-vacuum", "--client", 6, "--time", 8, "--file", script))
        load.start()
        time.sleep(0.5)
        seen = self.sample(7)
        load.join()
        summary = watch.stop_one()
        ours = collections.Counter()
        for kind, part in summary["query_metrics"]["query_type_breakdown"].items():
            if part["count"] and kind != SAMPLER:
                ours.update(waits(summary, kind))
        # A backend that was woken shows its last wait until it has a CPU: that time is in any of their classes.
        whole, queued = ours.total(), ours.pop("run_queue") / ours.total()
        print(f"{seen.total()} looks at an active backend; {queued:.1%} of the time in the run queue")
        for name in sorted(set(ours) | set(seen)):
            our_share, their_share = ours[name] / whole, seen[name] / seen.total()
            if max(our_share, their_share) > 0.0005:
                print(f"{name:>10} ours {our_share:6.1%}, sampled {their_share:6.1%}")
            with self.subTest(name):
                self.assertGreater(their_share, our_share - 0.1)
                self.assertLess(their_share, our_share + queued + 0.1)
        self.assertGreater(ours["lock"] / whole, 0.2)
        self.assertGreater(ours["sleep"] / whole, 0.1)
        self.check_whole(summary)


if __name__ == "__main__":
    harness.main()
