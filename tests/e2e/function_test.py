"""Functions of engines that nobody wrote a profile for: --function, --end, --type, and what the doctor says of them."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import harness
import mariadb_server
import redis_server
from sqlite_program import User

FOLLOWED = 8  # of calls within each other
ROWS = 500  # of sqlite_user's table, two columns each


def counts(summary):
    return {name: type["count"] for name, type in summary["query_metrics"]["query_type_breakdown"].items() if type["count"]}


class OfRedis(harness.Case):
    def setUp(self):
        self.server = redis_server.Server()
        self.addCleanup(self.server.stop)

    def test_a_function_and_its_return(self):
        with self.server.client() as client:
            watch = self.watch("--pid", self.server.pid, "--function", "processCommand")
            for i in range(300):
                client("SET", "key", i)
            summary = watch.stop_one()
        self.assertEqual((counts(summary), harness.lost(summary)), ({"processCommand": 300}, {}))

    def test_a_pattern(self):
        with self.server.client() as client:
            watch = self.watch("--pid", self.server.pid, "--function", "?etCommand")
            for i in range(30):
                client("SET", "key", i)
                client("GET", "key")
                client("GET", "key")
            summary = watch.stop_one()
        self.assertEqual(counts(summary), {"setCommand": 30, "getCommand": 60})

    def test_no_returns_where_another_process_of_the_binary_may_throw(self):
        """Its probes come to every process that runs it, named or not."""
        throws = next(pathlib.Path("/usr/lib").glob("*-linux-gnu/libicuuc.so.*"))  # PostgreSQL's, of C++
        arguments = ["--pid", self.server.pid, "--function", "processCommand"]
        watch = self.watch("--name", "redis-server", "--function", "processCommand")
        other = redis_server.Server(env={**os.environ, "LD_PRELOAD": str(throws)})
        self.addCleanup(other.stop)
        self.assertEqual(watch.wait(), 0, watch.describe())
        self.assertRegex("\n".join(watch.err), r"probes of \S*redis-\S+ are detached, for returns were among them, and \S*libicuuc")
        refused = self.watch(*arguments, wait=False)
        self.assertEqual(refused.wait(), 1, refused.describe())
        self.assertRegex("\n".join(refused.err), rf"process {other.pid} runs \S*redis-\S+ too, and \S*libicuuc")
        other.stop()
        self.watch(*arguments).stop()

    def test_recursion_deeper_than_the_kernel_tells_returns(self):
        """It keeps 64 returns of a thread; what is within those ends unseen, and must not stay in flight."""
        script = "local function down(n) if n > 0 then pcall(down, n - 1) end end down(tonumber(ARGV[1]))"
        with self.server.client() as client:
            watch = self.watch("--pid", self.server.pid, "--function", "lua_pcall")
            for depth in (100, 64, 9, 4):
                client("EVAL", script, 0, depth - 1)  # the script itself is called by it too
            summary = watch.stop_one()
        self.assertEqual((counts(summary), harness.lost(summary)), ({"lua_pcall": 3 * FOLLOWED + 4}, {"too_deep": 92 + 56 + 1}))
        figures = summary["query_metrics"]
        self.assertEqual((figures["total_queries"], figures["abandoned_queries"], figures["current_concurrent"]), (4, 0, 0))

    def test_what_cannot_be(self):
        for options, reason in ((["--function", "no_such_function"], "no function no_such_function in its symbol tables"),
                                (["--function", "*"], "functions, of which each would be probed"),
                                (["--function", "call", "--end", "nowhere"], "no function nowhere"),
                                (["--function", "call", "--type", "arg9:str"], "expected argN:str or argN:int"),
                                (["--end", "call"], "--function")):
            done = subprocess.run([harness.OUTRIDER, "watch", "--pid", str(self.server.pid), *options], capture_output=True, text=True,
                                  check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0, options)
            self.assertIn(reason, done.stderr)


class OfSqlite(harness.Case):
    def test_a_number(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="outrider-sqlite-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, directory)
        user = User(directory / "db")
        self.addCleanup(user.kill)
        user.do("load")
        watch = self.watch("--pid", user.process.pid, "--function", "sqlite3_column_type", "--type", "arg2:int",
                           "--allow-library-returns")
        user.do("all_columns")
        summary = watch.stop_one()
        self.assertEqual(user.end(), 0)
        self.assertEqual(counts(summary), {"0": ROWS, "1": ROWS})


class OfMariaDb(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.server = mariadb_server.Server()
        cls.addClassCleanup(cls.server.stop)

    def test_an_end_of_its_own_and_a_text(self):
        with self.server.session() as session:
            session("SELECT 1;")
            watch = self.watch("--pid", self.server.pid, "--function", "_Z11mysql_parse*", "--end", "_Z18log_slow_statementP3THD",
                               "--type", "arg2:str")
            for _ in range(7):
                session("DO 7;")
            summary = watch.stop_one()
        self.assertEqual(counts(summary)["DO 7"], 7)

    def test_no_returns_where_exceptions_are_thrown(self):
        options = ["--pid", str(self.server.pid), "--function", "_Z11mysql_parse*"]
        told = subprocess.run([harness.OUTRIDER, "doctor", *options], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(told.returncode, 1)
        self.assertRegex(told.stdout, r"NO +functions .*return:_Z11mysql_parse\* cannot be probed .*exception")
        self.assertIn("--end", told.stdout)
        done = subprocess.run([harness.OUTRIDER, "watch", *options], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("exception", done.stderr)


if __name__ == "__main__":
    redis_server.require()
    mariadb_server.require()
    harness.require_kernel()
    harness.main()
