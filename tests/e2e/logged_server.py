"""A PostgreSQL whose log has every statement: what it said, which query it is to the server, and how long it took."""

import json
import subprocess
import time

import harness
import postgresql_server


class Case(postgresql_server.Case):
    SERVER_SETTINGS = {"logging_collector": "on", "log_destination": "'jsonlog'", "log_min_duration_statement": "0",
                       "pg_stat_statements.track_planning": "on", "pg_stat_statements.max": "5000",
                       "cluster_name": "'main'"}  # which the processes' titles begin with

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.query("CREATE EXTENSION pg_stat_statements")

    def logged(self):
        """[(text, query_id)] of all statements that the log has so far, in order."""
        return [(text, query_id) for text, query_id, _ in self.log_entries()]

    def log_entries(self):
        """[(text, query_id, milliseconds)]"""
        found = []
        for file in sorted((self.server.data / "log").glob("*.json")):
            for line in file.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                head, mark, text = entry["message"].partition("  statement: ")
                if mark and head.startswith("duration: "):
                    found.append((text, entry.get("query_id"), float(head.split()[1])))
        return found

    def psql(self, texts):
        script = self.server.directory / "script.sql"
        script.write_text("".join(f"{text}\n;\n" for text in texts), encoding="utf-8")
        script.chmod(0o644)
        done = subprocess.run([self.server.bin / "psql", "--host", self.server.directory, "--port", str(postgresql_server.PORT),
                               "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null", "--file", script,
                               "postgres"], capture_output=True, text=True, check=False, **postgresql_server.owner())
        self.assertEqual(done.returncode, 0, done.stderr)

    def watched(self, load):
        """What `load` does under watch: ({type: figures}, [(text, query_id)])."""
        mark = f"SELECT 'before {time.monotonic_ns()}'"  # the log is written by another process, somewhat later
        self.server.query(mark)
        harness.wait_until(lambda: mark in (text for text, _ in self.logged()), 20, "the log of what was before")
        before = len(self.logged())
        watch = self.watch_server()
        load()
        summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        harness.wait_until(lambda: len(self.logged()) >= before + summary["query_metrics"]["total_queries"], 20, "the whole log")
        types = {name: type for name, type in summary["query_metrics"]["query_type_breakdown"].items() if type["count"]}
        return types, self.logged()[before:]
