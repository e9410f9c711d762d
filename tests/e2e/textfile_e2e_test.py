"""The textfile as its readers see it: node_exporter serves it whole, promtool has nothing to say about it, and whoever
opens it at any moment finds a complete file."""

import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import harness

LOAD = ("--rate", 3000, "--arrivals", "fixed", "--fault", "errors:10@0")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scrape(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.URLError:
        return ""


def series(text, name):
    """Values by labels of one name."""
    return {labels: float(value) for labels, value in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.M)}


class Textfile(harness.Case):
    def setUp(self):
        super().setUp()
        self.collector = self.directory / "collector"
        self.collector.mkdir(mode=0o755)
        self.file = self.collector / "outrider.prom"

    def start(self, *arguments, interval="200ms", **options):
        engine = self.engine(*LOAD, *arguments, **options)
        watch = self.watch("--pid", engine.pid, "--interval", interval, "--textfile", self.file)
        engine.release()
        harness.wait_until(self.file.exists, 30, "the textfile")
        return engine, watch

    def stamp(self):
        stamps = series(self.file.read_text(encoding="utf-8"), "llmkg_snapshot_timestamp_seconds")
        return next(iter(stamps.values()))

    def test_node_exporter_serves_it(self):
        program = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
        if not program:
            self.skipTest("node_exporter is not installed (package prometheus-node-exporter)")
        engine, watch = self.start("--duration", 3)
        port = free_port()
        exporter = harness.Child([program, "--collector.disable-defaults", "--collector.textfile",
                                  f"--collector.textfile.directory={self.collector}",
                                  f"--web.listen-address=127.0.0.1:{port}"])
        self.addCleanup(exporter.kill)

        def under_load():
            text = scrape(port)
            return text if sum(series(text, "llmkg_queries_per_second").values()) > 0 else None

        early = harness.wait_until(under_load, 30, "our series with queries in them")
        rows = engine.finish()
        watch.end()
        text = scrape(port)
        self.assertEqual(series(text, "node_textfile_scrape_error"), {"": 0})
        self.assertIn(str(self.file), next(iter(series(text, "node_textfile_mtime_seconds"))))
        (labels, total), = series(text, "llmkg_queries_total").items()
        self.assertEqual(labels, f'target="graph-engine:{engine.pid}"')
        self.assertEqual(total, len(rows))
        self.assertLessEqual(series(early, "llmkg_queries_total")[labels], total)
        self.assertEqual(series(text, "llmkg_queries_failed_total")[labels], sum(not row.ok for row in rows))
        counts = series(text, "llmkg_query_duration_seconds_count")
        for intent in harness.INTENTS:
            mine = [row for row in rows if row.type == intent]
            self.assertEqual(counts[f'{labels},type="{intent}"'], len(mine))
        for name in ("llmkg_query_success_rate", "llmkg_query_response_time_seconds", "llmkg_queries_per_second",
                     "llmkg_cpu_usage_percent", "llmkg_memory_usage_percent", "llmkg_health_score"):
            self.assertEqual(len(series(early, name)), 1, name)
        exporter.signal(signal.SIGTERM)
        exporter.wait()

    def test_promtool_is_silent_about_every_file(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed (package prometheus)")
        for buckets, most in (("default", 40), ("fine", 1200)):
            engine = self.engine(*LOAD, "--duration", 2)
            watch = self.watch("--pid", engine.pid, "--interval", "200ms", "--textfile", self.file, "--buckets",
                               buckets)
            engine.release()
            texts = []
            while watch.running:
                if self.file.exists():
                    texts.append(self.file.read_text(encoding="utf-8"))
                time.sleep(0.3)
            engine.finish()
            watch.end()
            texts.append(self.file.read_text(encoding="utf-8"))
            self.assertGreater(len(texts), 4)
            for text in (texts[0], texts[len(texts) // 2], texts[-1]):
                done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                                      timeout=60, check=False)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            bounds = series(texts[-1], "llmkg_query_duration_seconds_bucket")
            factual = [labels for labels in bounds if 'type="factual"' in labels]
            self.assertLessEqual(len(factual), most + 1)
            self.file.unlink()

    def test_there_is_never_half_a_file(self):
        engine, watch = self.start("--duration", 3, interval="100ms")
        whole, versions = self.file.read_text(encoding="utf-8"), set()
        self.assertEqual(pathlib.Path(self.file).stat().st_mode & 0o777, 0o644)
        names = set(re.findall(r"^# TYPE (\S+)", whole, re.M))
        while watch.running:
            text = self.file.read_text(encoding="utf-8")
            self.assertTrue(text.endswith("\n"))
            self.assertIn("llmkg_queries_total", text)
            self.assertIn("# TYPE llmkg_snapshot_timestamp_seconds", text)  # one of the last families
            versions.add(text)
            time.sleep(0.001)
        engine.finish()
        watch.end()
        self.assertGreater(len(versions), 10)
        self.assertGreater(len(names), 15)
        self.assertEqual([path.name for path in self.collector.iterdir()], ["outrider.prom"])

    def test_a_killed_agent_leaves_a_whole_file_and_the_next_one_cleans_up(self):
        engine, first = self.start("--duration", 6, interval="100ms", record=False)
        first.signal(signal.SIGKILL)
        first.wait()
        self.assertTrue(self.file.read_text(encoding="utf-8").endswith("\n"))
        stamp = self.stamp()
        second = self.watch("--pid", engine.pid, "--interval", "200ms", "--textfile", self.file)
        harness.wait_until(lambda: self.stamp() > stamp, 30, "a newer file")
        second.stop()
        self.assertEqual([path.name for path in self.collector.iterdir()], ["outrider.prom"])


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
