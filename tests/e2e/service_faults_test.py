"""An InfluxDB that is away for a while, and a disk that is full meanwhile; a file system that goes read-only under all
that is written to it: the service misses no reading, what could wait arrives, and what could not is counted."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time

import harness
import influxdb_server
from service_harness import LOAD, ServiceCase

DATABASE = "faults"
AWAY_SECONDS = 60 if harness.LONG else 15
# Room for the history of some minutes, and small enough to be filled at once.
DISK_MIB = 8
IMAGE_MIB = 32  # an ext4 with its journal
FSCK_MENDED = 1  # e2fsck(8)


class Faults(ServiceCase):
    def setUp(self):
        super().setUp()
        if not shutil.which("influxd"):
            self.skipTest("no influxd here; scripts/setup installs the package influxdb")
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


class ReadOnly(ServiceCase):
    """An ext4 that finds an error goes read-only at once, whatever is open on it. (`mount -o remount,ro` is refused
    while a file is open to be written, as the history and the lines of JSON are.) Newer kernels never make such a one
    writable again: it is checked and mounted anew, over the broken one, as whoever repairs a machine does."""

    def setUp(self):
        super().setUp()
        self.disk = self.directory / "disk"
        self.disk.mkdir()
        self.image = self.directory / "image"
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_MIB << 20)
        self.tool("mkfs.ext4", "-q", "-F", self.image)
        self.mount(self.image)
        self.database = self.disk / "history.db"

    def tool(self, name, *words, fine=(0,)):
        """A program of e2fsprogs or util-linux, which need not be in our PATH."""
        path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if path is None:
            self.skipTest(f"no ext4 can be made here: there is no {name}")
        done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, check=False)
        self.assertIn(done.returncode, fine, done.stdout + done.stderr)

    def mount(self, image):
        done = subprocess.run(["mount", "-t", "ext4", "-o", "loop,errors=remount-ro", image, self.disk],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no ext4 can be mounted from a file here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=True)

    def find_an_error(self):
        self.tool("sync", "--file-system", self.disk)
        device = os.stat(self.disk).st_dev
        name = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        pathlib.Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("a test of outrider's", encoding="ascii")
        with self.assertRaisesRegex(OSError, "Read-only file system"):
            (self.disk / "more").touch()

    def repair(self):
        repaired = self.directory / "repaired"
        shutil.copyfile(self.image, repaired)
        self.tool("e2fsck", "-f", "-y", repaired, fine=(0, FSCK_MENDED))
        self.mount(repaired)

    @staticmethod
    def sinks(agent):
        """Those two that write to the disk."""
        sinks = {sink["name"]: sink for sink in agent.json("/api/v1/agent")["sinks"]}
        return [sinks["json"], sinks["textfile"]]

    def test_a_file_system_that_goes_read_only(self):
        lines, textfile = self.disk / "a.jsonl", self.disk / "a.prom"
        engine = self.engine(*LOAD, "--duration", 25)
        exports = f'[export.json]\npath = "{lines}"\n[export.textfile]\npath = "{textfile}"\n'
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'], exports, interval="1s")
        agent = self.start()
        engine.release()
        harness.wait_until(lambda: all(sink["written"] > 2 for sink in self.sinks(agent)), 30, "both exports")
        harness.wait_until(lambda: agent.json("/api/v1/agent")["store"]["written_points"] > 0, 30, "the history")

        self.find_an_error()
        harness.wait_until(lambda: all(sink["failing"] for sink in self.sinks(agent)), 30, "both faults")
        for sink in self.sinks(agent):
            self.assertIn("Read-only file system", sink["last_error"])
        agent.await_line(agent.err, "history is not written: ", 60)
        time.sleep(3)  # some rounds more
        self.repair()
        harness.wait_until(lambda: not any(sink["failing"] for sink in self.sinks(agent)), 30, "their end")
        agent.await_line(agent.err, "history is written again", 60)
        self.assertTrue(engine.running, "the load was over before the disk was writable again")

        rows = engine.finish()
        snapshot = agent.await_total("engine", len(rows))
        self.assertEqual(snapshot["query_metrics"]["total_queries"], len(rows))
        self.assertEqual(snapshot["query_metrics"]["failed_queries"], sum(not row.ok for row in rows))
        figures = agent.json("/api/v1/agent")
        self.assertEqual(figures["missed_intervals"], 0, figures)
        for sink in self.sinks(agent):
            self.assertGreaterEqual(sink["failed"], 2, sink)  # a round each second, for three
            self.assertAlmostEqual(sink["written"] + sink["failed"], figures["intervals"], delta=2, msg=sink)
        self.assertGreater(figures["store"]["failed_writes"], 0)
        # What the history could not write waited.
        self.assertEqual(figures["store"]["dropped_points"], 0, figures["store"])
        self.assertLess(agent.end(), 2)
        written = lines.read_text(encoding="utf-8").splitlines()
        self.assertEqual(json.loads(written[-1])["query_metrics"]["total_queries"], len(rows))
        self.assertIn(f'llmkg_queries_total{{target="engine"}} {len(rows)}\n', textfile.read_text(encoding="utf-8"))


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
