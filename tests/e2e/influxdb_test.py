"""An hour of points pushed to a real InfluxDB 1.x: none is rejected, and every value reads back equal, integers that no
double holds and names with spaces, commas and equals signs among them."""

import collections
import re
import subprocess

import harness
import influxdb_server

HOUR = harness.BUILD / "bin" / "influx-hour"
DATABASE = "an hour & more"


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
        self.lines = self.directory / "lines"
        self.server = influxdb_server.Server(self.directory)
        self.addCleanup(self.server.stop)
        self.server.start()

    def query(self, text):
        return self.server.query(text, DATABASE)

    def stored(self, measurement):
        points = {}
        for series in self.query(f'SELECT * FROM "{measurement}" GROUP BY *'):
            tags = frozenset((key, value) for key, value in series["tags"].items() if value)
            for time, *values in series["values"]:
                fields = zip(series["columns"][1:], values)
                points[tags, time] = {name: value for name, value in fields if value is not None}
        return points

    def push(self):
        return subprocess.run([HOUR, self.server.url, DATABASE, self.lines], capture_output=True, text=True,
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
    influxdb_server.require()
    harness.main()
