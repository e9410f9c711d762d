"""An InfluxDB that is away for a while, and a disk that is full meanwhile: the service misses no reading, what could
wait arrives, and what could not is counted."""

import contextlib
import os
import subprocess
import time

import harness
import influxdb_server
from service_harness import LOAD, ServiceCase

DATABASE = "faults"
AWAY_SECONDS = 60 if harness.LONG else 15
# Room for the history of some minutes, and small enough to be filled at once.
DISK_MIB = 8


class Faults(ServiceCase):
    def setUp(self):
        super().setUp()
        self.disk = self.directory / "disk"
        self.disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "outrider-test", self.disk],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=True)
        self.database = self.disk / "history.db"
        self.influx = influxdb_server.Server(self.directory)
        self.addCleanup(self.influx.stop)

    def fill_disk(self):
        path = self.disk / "full"
        with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass
        assert os.statvfs(self.disk).f_bavail == 0, "there is room left on the small disk"
        return path

    def pushed(self):
        """(queries, seconds) of every point that InfluxDB has."""
        rows = self.influx.query("SELECT interval_queries FROM outrider_queries WHERE target = 'engine'", DATABASE)
        points = [] if not rows else rows[0]["values"]
        return sum(queries for _, queries in points), len(points)

    @staticmethod
    def sink(agent):
        return next(sink for sink in agent.json("/api/v1/agent")["sinks"] if sink["name"] == "influxdb")

    def test_away_for_a_while_and_a_full_disk(self):
        self.influx.start()
        self.influx.query(f"CREATE DATABASE {DATABASE}", DATABASE)
        engine = self.engine(*LOAD, "--duration", AWAY_SECONDS + 25)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'], f"""
[export.influxdb]
url = "{self.influx.url}"
database = "{DATABASE}"
""", interval="1s")
        agent = self.start()
        engine.release()
        harness.wait_until(lambda: self.pushed()[0] > 0, 30, "the first points in InfluxDB")
        self.influx.stop()
        stopped = time.monotonic()
        agent.await_line(agent.err, "influxdb: ", 30)
        harness.wait_until(lambda: self.sink(agent)["failing"], 30, "the fault in the figures")
        self.assertIn("takes no points, which wait to be sent again", self.sink(agent)["last_error"])

        full = self.fill_disk()
        agent.await_line(agent.err, "history is not written: ", 60)
        failed = agent.json("/api/v1/agent")["store"]["failed_writes"]
        harness.wait_until(lambda: agent.json("/api/v1/agent")["store"]["failed_writes"] > failed, 30, "another attempt")
        full.unlink()
        agent.await_line(agent.err, "history is written again", 60)

        time.sleep(max(0, stopped + AWAY_SECONDS - time.monotonic()))
        self.influx.start()
        rows = engine.finish(harness.PATIENCE_SECONDS + AWAY_SECONDS)
        snapshot = agent.await_total("engine", len(rows))
        self.assertEqual(snapshot["query_metrics"]["total_queries"], len(rows))
        harness.wait_until(lambda: self.pushed()[0] >= len(rows), 60, "every point that had to wait")
        self.assertEqual(self.pushed()[0], len(rows))
        figures = agent.json("/api/v1/agent")
        self.assertEqual(figures["missed_intervals"], 0, figures)
        influx = self.sink(agent)
        self.assertEqual((influx["points"]["dropped"], influx["points"]["rejected"]), (0, 0))
        # A round that waits is none that failed, and each of them arrived.
        self.assertEqual(influx["failed"], 0, influx)
        harness.wait_until(lambda: not self.sink(agent)["failing"], 30, "the fault's end in the figures")
        # What the disk had no room for waited: a queue of minutes is lost only if the disk stays full for longer.
        self.assertEqual(figures["store"]["dropped_points"], 0, figures["store"])
        self.assertIn("llmkg_agent_loop_lag_p99_seconds ", agent.text("/metrics"))
        print(f"InfluxDB away for {AWAY_SECONDS} s: {influx['points']['sent']} points sent in the end, none dropped; "
              f"{figures['store']['failed_writes']} writes of history failed; lag p99 "
              f"{1000 * figures['loop_lag_p99_seconds']:.2f} ms")
        self.assertLess(agent.end(), 2)


if __name__ == "__main__":
    influxdb_server.require()
    harness.require_kernel()
    harness.main()
