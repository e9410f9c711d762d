"""An hour of points pushed to a real InfluxDB 1.x: none is rejected, and every value reads back equal, integers that no
double holds and names with spaces, commas and equals signs among them."""

import collections
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import harness

HOUR = harness.BUILD / "bin" / "influx-hour"
DATABASE = "an hour & more"


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def unescape(text):
    return re.sub(r"\\(.)", r"\1", text)


def split(text, separator):
    """Splits where the separator has no backslash before it. (No string field here holds one.)"""
    return re.split(rf"(?<!\\){separator}", text)


def value_of(text):
    if text[0] == '"':
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    return int(text[:-1]) if text[-1] == "i" else float(text)


def points_of(text):
    """{measurement: {(tags, time): fields}}, read from line protocol independently of the agent."""
    points = collections.defaultdict(dict)
    for line in text.splitlines():
        key, fields, time = split(line, " ")
        measurement, *tags = split(key, ",")
        tags = frozenset(tuple(map(unescape, split(tag, "="))) for tag in tags)
        pairs = (split(field, "=") for field in split(fields, ","))
        points[unescape(measurement)][tags, int(time)] = {unescape(name): value_of(value) for name, value in pairs}
    return points


class Influxdb(harness.Case):
    def setUp(self):
        super().setUp()
        directory = self.directory
        self.lines = directory / "lines"
        http, rpc = free_ports(2)
        self.url = f"http://127.0.0.1:{http}"
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(directory), "INFLUXDB_META_DIR": f"{directory}/meta",
            "INFLUXDB_DATA_DIR": f"{directory}/data", "INFLUXDB_DATA_WAL_DIR": f"{directory}/wal",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{http}", "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{rpc}",
            "INFLUXDB_REPORTING_DISABLED": "true", "INFLUXDB_HTTP_LOG_ENABLED": "false",
            "INFLUXDB_MONITOR_STORE_ENABLED": "false"}
        self.server = harness.Child(["influxd", "-config", "/dev/null"], env=environment)
        self.addCleanup(self.server.kill)
        harness.wait_until(self.answers, harness.PATIENCE_SECONDS, "influxd answers /ping")

    def answers(self):
        self.assertTrue(self.server.running, self.server.describe())
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as answer:
                return answer.status == 204
        except urllib.error.URLError:
            return False

    def query(self, text):
        body = urllib.parse.urlencode({"q": text, "db": DATABASE, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data=body, timeout=harness.PATIENCE_SECONDS) as answer:
            result = json.load(answer)["results"][0]
        self.assertNotIn("error", result)
        return result.get("series", [])

    def stored(self, measurement):
        points = {}
        for series in self.query(f'SELECT * FROM "{measurement}" GROUP BY *'):
            tags = frozenset((key, value) for key, value in series["tags"].items() if value)
            for time, *values in series["values"]:
                fields = zip(series["columns"][1:], values)
                points[tags, time] = {name: value for name, value in fields if value is not None}
        return points

    def push(self):
        return subprocess.run([HOUR, self.url, DATABASE, self.lines], capture_output=True, text=True,
                              timeout=4 * harness.PATIENCE_SECONDS, check=False)

    def test_without_the_database_the_reason_is_said(self):
        done = self.push()
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'HTTP 404: database not found: "{DATABASE}"', done.stderr)

    def test_an_hour_reads_back_equal(self):
        self.query(f'CREATE DATABASE "{DATABASE}"')
        done = self.push()
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = points_of(self.lines.read_text(encoding="utf-8"))
        count = sum(map(len, expected.values()))
        # Per second and target: queries, waits, 3 types, cache, health, availability, overhead, losses, target; one
        # system for both.
        self.assertEqual(count, 3600 * (2 * 11 + 1))
        self.assertEqual(done.stdout, f"sent {count} rejected 0 dropped 0 queued 0\n")
        names = {row[0] for series in self.query("SHOW MEASUREMENTS") for row in series["values"]}
        self.assertEqual(names, set(expected))
        for measurement, points in expected.items():
            with self.subTest(measurement=measurement):
                stored = self.stored(measurement)
                self.assertEqual(stored.keys(), points.keys())
                wrong = [key for key, fields in points.items() if stored[key] != fields]
                self.assertEqual(wrong, [], "" if not wrong else f"{stored[wrong[0]]} is not {points[wrong[0]]}")
        print(f"{count} points of {len(expected)} measurements read back equal")


if __name__ == "__main__":
    if not shutil.which("influxd"):
        harness.skip("no influxd here; scripts/setup installs the package influxdb")
    harness.main()
