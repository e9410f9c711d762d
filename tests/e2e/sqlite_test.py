"""SQLite in two programs that use the distribution's library, Python and its own shell, against SQLite's own trace: counts by the
first word of each statement, rows one by one, failures, a program that forks."""

import pathlib
import re
import shutil
import subprocess
import tempfile

import harness
from sqlite_program import User

class Sqlite(harness.Case):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrider-sqlite-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, self.directory)

    def watched(self, *what, types="keyword"):
        """(types, what SQLite's trace counted, summary) of a watch over what a program did"""
        user = User(self.directory / "db")
        self.addCleanup(user.kill)
        user.do("load")
        watch = self.watch("--pid", user.process.pid, "--allow-library-returns", "--types", types)
        theirs = {}
        for each in what:
            for word, count in user.do(each).items():
                theirs[word] = theirs.get(word, 0) + count
        summary = watch.stop_one()
        self.assertEqual(user.end(), 0, user.describe())
        self.assertEqual(harness.lost(summary), {})
        types = {name: type for name, type in summary["query_metrics"]["query_type_breakdown"].items() if type["count"]}
        return types, theirs, summary

    def test_counts(self):
        types, theirs, _ = self.watched("rows")
        self.assertEqual({name: type["count"] for name, type in types.items()}, theirs)
        self.assertEqual(theirs, {"SELECT": 2, "UPDATE": 50})

    def test_statements(self):
        """What a statement says is known although its text was there long before it is run, with others prepared in between."""
        types, theirs, _ = self.watched("rows", "prepared", types="statement")
        self.assertEqual({type["statement"]: type["count"] for type in types.values()}, {
            "select id from t limit ?": 1, "update t set v = ? where id = ?": 50 + 1, "select id from t": 1,
            "select v from t where id = ?": 1, "delete from t where v = ?": 1})
        self.assertEqual(sum(type["count"] for type in types.values()), sum(theirs.values()))
        for name, type in types.items():
            self.assertEqual(name.split()[0], type["statement"].split()[0].upper())

    def test_failures(self):
        types, theirs, summary = self.watched("failures")
        # Two that could not be prepared ran not even once: the trace knows nothing of them.
        self.assertEqual(theirs, {"INSERT": 2})
        self.assertEqual({name: (type["count"], type["failed"]) for name, type in types.items()},
                         {"INSERT": (2, 2), "SELEC": (1, 1), "SELECT": (1, 1)})
        self.assertEqual(summary["query_metrics"]["failed_queries"], 4)

    def test_a_slow_statement(self):
        types, theirs, _ = self.watched("slow")
        self.assertGreaterEqual(types["SELECT"]["avg_response_time_seconds"], 0.3)
        self.assertLessEqual(types["SELECT"]["avg_response_time_seconds"], theirs["seconds"])
        self.assertGreater(types["SELECT"]["waits"]["sleep_seconds"], 0.28)

    def test_a_program_that_forks(self):
        types, theirs, _ = self.watched("fork")
        self.assertEqual({name: type["count"] for name, type in types.items()}, theirs)

    def test_not_unless_somebody_insists(self):
        """Other processes have the library too."""
        user = User(self.directory / "db")
        self.addCleanup(user.kill)
        done = subprocess.run([harness.OUTRIDER, "watch", "--pid", str(user.process.pid)], capture_output=True, text=True, check=False,
                              timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "every process of this host .*--allow-library-returns")
        sites = subprocess.run([harness.OUTRIDER, "probes", "--pid", str(user.process.pid)], capture_output=True, text=True, check=True,
                               timeout=60)
        self.assertRegex(sites.stdout, r"profile sqlite: 10 sites .*\n +4 of them at returns, .*outrider doctor")
        self.assertEqual(user.end(), 0)

    def test_shell(self):
        if not shutil.which("sqlite3"):
            self.fail("sqlite3 is not installed (package sqlite3)")
        trace = self.directory / "trace"
        shell = harness.Child(["sqlite3", "-batch", self.directory / "db"], stdin=subprocess.PIPE)
        self.addCleanup(shell.kill)

        def say(text):
            shell.process.stdin.write(text)
            shell.process.stdin.flush()
        say("CREATE TABLE t (a); SELECT 'ready';\n")
        shell.await_line(shell.out, "ready", harness.PATIENCE_SECONDS)
        say(f".trace {trace} --plain\n")
        watch = self.watch("--pid", shell.process.pid, "--allow-library-returns", "--types", "keyword")
        say("".join(f"INSERT INTO t VALUES ({i});\n" for i in range(200)))
        say("SELECT count(*) FROM t; SELECT * FROM t LIMIT 3; UPDATE t SET a = 0;\nSELECT 'over';\n")
        shell.await_line(shell.out, "over", harness.PATIENCE_SECONDS)
        summary = watch.stop_one()
        shell.process.stdin.close()
        self.assertEqual(shell.wait(harness.PATIENCE_SECONDS), 0)
        theirs = {}
        for word in re.findall(r"(\w+)[^;]*;", trace.read_text(encoding="utf-8")):
            theirs[word] = theirs.get(word, 0) + 1
        types = summary["query_metrics"]["query_type_breakdown"]
        self.assertEqual({name: type["count"] for name, type in types.items() if type["count"]}, theirs)
        self.assertEqual(theirs["INSERT"], 200)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
