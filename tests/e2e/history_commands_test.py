"""`outrider history` and `outrider replay` say what they cannot answer, instead of answering something else."""

import subprocess

import harness

BEGIN = 1_700_000_000
RULES = """
[[rule]]
name = "Slow"
condition = "response_time_high"
threshold = "100ms"

[[rule]]
name = "Tail"
condition = "query_metrics.p99_response_time_seconds"
above = "1ms"

[[rule]]
name = "No cache figures"
condition = "cache_metrics.hit_rate"
absent = true

[[rule]]
name = "Slow type"
condition = "response_time_high"
threshold = "1ms"
types = ["*"]

[[rule]]
name = "Slow database"
condition = "response_time_high"
threshold = "1ms"
targets = ["db-*"]
"""


class HistoryCommands(harness.Case):
    def run_outrider(self, *arguments):
        return subprocess.run([harness.OUTRIDER, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=harness.PATIENCE_SECONDS, check=False)

    def test_trends_refuse_what_they_do_not_heed(self):
        for options in (["--from", "2h"], ["--to", "1h"], ["--type", "path"], ["--metric", "p99"], ["--step", "1m"],
                        ["--format", "csv"]):
            done = self.run_outrider("history", "--db", self.directory / "none.db", "--trends", *options)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn(options[0], done.stderr)
            self.assertIn("--trends", done.stderr)
        # With what they heed it is the file that is missing, and not the command line that is wrong.
        for options in (["--since", "2h"], ["--target", "engine"], ["--format", "json"], ["--format", "table"]):
            done = self.run_outrider("history", "--db", self.directory / "none.db", "--trends", *options)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("none.db", done.stderr)

    def test_replay_names_the_rules_that_it_does_not_judge(self):
        rules, rows = self.directory / "rules.toml", self.directory / "night.csv"
        rules.write_text(RULES, encoding="utf-8")
        rows.write_text("timestamp,avg_response_time_seconds\n" +
                        "".join(f"{BEGIN + second},{0.25 if second == 3 else 0.05}\n" for second in range(6)),
                        encoding="utf-8")
        done = self.run_outrider("replay", "--csv", rows, "--rules", rules, "--detector", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        *told, summary = done.stdout.splitlines()
        self.assertEqual([line.split()[:3] for line in told],
                         [[str(BEGIN + 3), "open", "Slow:"], [str(BEGIN + 4), "close", "Slow:"]])
        self.assertEqual(summary, "6 rows, 1 incidents")
        not_judged = [line for line in done.stderr.splitlines() if line.startswith("not judged: ")]
        self.assertEqual([line.split(": ")[1] for line in not_judged],
                         ["Tail", "No cache figures", "Slow type", "Slow database"], done.stderr)
        self.assertIn("query_metrics.p99_response_time_seconds", not_judged[0])
        self.assertIn("cache_metrics.hit_rate", not_judged[1])
        self.assertIn("types", not_judged[2])
        self.assertIn("targets", not_judged[3])


if __name__ == "__main__":
    harness.main()
