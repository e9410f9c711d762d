"""The mission's own tests, end to end, under their names: mission.py NAME. CTest knows them as mission/NAME."""

import shutil
import subprocess
import sys
import unittest

import harness


class Mission(harness.Case):
    def run_words(self, *words, watch=()):
        engine = self.scripted(*words, preexec_fn=harness.real_time)
        watcher = self.watch("--pid", engine.pid, *watch)
        engine.release()
        engine.finish()
        summary = next(iter(watcher.end().values()))
        self.assertEqual(harness.losses(summary), 0, summary["losses"])
        return summary["query_metrics"]

    def performance_metrics_collection(self):
        """10 queries of 20, 25, ... 65 ms."""
        metrics = self.run_words("sleeps", 20, 5, 10)
        self.assertEqual(metrics["total_queries"], 10)
        self.assertGreater(metrics["success_rate"], 0.9)
        self.assertEqual(metrics["percentile_error"], 0.016)
        # A sleep lasts at least as long as asked for; what it lasts longer is within the same error.
        mean = sum(range(20, 70, 5)) / 10 / 1000
        self.assertGreaterEqual(metrics["avg_response_time_seconds"], mean)
        self.assertLessEqual(metrics["avg_response_time_seconds"], mean * 1.016)
        self.assertAlmostEqual(metrics["p50_response_time_seconds"], 0.040, delta=2 * 0.016 * 0.040)
        self.assertAlmostEqual(metrics["max_response_time_seconds"], 0.065, delta=0.016 * 0.065)
        self.assertGreaterEqual(metrics["waits"]["sleep_seconds"], 0.95 * 10 * mean)

    def concurrent_metrics_collection(self):
        """100 concurrent queries from as many threads, in each mode: exactly 100."""
        metrics = self.run_words("together", 100)
        self.assertEqual(metrics["total_queries"], 100)
        self.assertEqual(metrics["failed_queries"], 0)
        self.assertEqual(metrics["query_type_breakdown"]["together"]["count"], 100)
        self.assertEqual((metrics["peak_concurrent"], metrics["current_concurrent"]), (100, 0))
        self.assertEqual(self.run_words("together", 100, watch=("--mode", "light"))["total_queries"], 100)

    def prometheus_export(self):
        """The textfile of a watch holds the three names, and promtool has nothing to say about it."""
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed (package prometheus)")
        path = self.directory / "engine.prom"
        engine = self.engine("--rate", 1000, "--duration", 3, "--fault", "errors:10@0")
        watcher = self.watch("--pid", engine.pid, "--textfile", path, "--interval", "500ms")
        engine.release()

        def under_load():
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            names = ("llmkg_queries_total", "llmkg_query_response_time_seconds", "llmkg_health_score")
            return text if all(f"\n{name}{{" in text for name in names) else None

        texts = [harness.wait_until(under_load, 20, "the three names in the textfile")]
        rows = engine.finish()
        watcher.end()
        texts.append(path.read_text(encoding="utf-8"))
        total = [float(line.rsplit(" ", 1)[1]) for line in texts[1].splitlines()
                 if line.startswith("llmkg_queries_total{")]
        self.assertEqual(total, [len(rows)])
        for text in texts:
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    harness.require_kernel()
    suite = unittest.TestSuite([Mission(name) for name in sys.argv[1:]])
    harness.finish(unittest.TextTestRunner(verbosity=2).run(suite))
