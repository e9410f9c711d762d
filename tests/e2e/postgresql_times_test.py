"""How long a statement takes, against PostgreSQL's own log."""

import re

import harness
import logged_server
import postgresql_server
from statement_checks import types_of

SLOW = "SELECT sum(i * {}) FROM generate_series(1, {}) i"


class PostgresqlTimes(logged_server.Case):
    def test_times(self):
        """What a slow statement takes is what the log says that it took: to plan and execute it, which is what pg_stat_statements has, and
        to parse it and to clean up, which it does not see."""
        self.server.query("SELECT pg_stat_statements_reset()")
        texts = [SLOW.format(i, 300_000 + i) for i in range(1, 31)]
        types, _ = self.watched(lambda: self.psql(texts))
        name, = set(types_of(texts, "postgresql"))
        theirs, = self.server.query("SELECT sum(mean_exec_time + mean_plan_time), sum(calls) FROM pg_stat_statements "
                                    "WHERE query LIKE '%generate_series%' AND query NOT LIKE '%pg_stat%'")
        self.assertEqual((types[name]["count"], int(theirs[1])), (30, 30))
        mean = types[name]["avg_response_time_seconds"]
        logged = [ms for text, _, ms in self.log_entries() if text.rstrip("\n;") in texts]
        self.assertEqual(len(logged), 30)
        whole, seen = sum(logged) / 30, float(theirs[0])
        print(f"mean: ours {mean * 1e3:.3f} ms, the log's {whole:.3f} ms, of which pg_stat_statements sees {seen:.3f} ms")
        self.assertAlmostEqual(mean, whole / 1e3, delta=0.01 * mean)
        self.assertTrue(0.9 * whole < seen < whole)


class Commits(postgresql_server.Case):
    # Each flush of the log takes a tenth of a second more, whoever else commits.
    SERVER_SETTINGS = {"fsync": "on", "synchronous_commit": "on", "commit_delay": 100_000, "commit_siblings": 0}
    TRANSACTIONS = 20

    def check(self, script, committing, protocol):
        self.server.query("CREATE TABLE IF NOT EXISTS written (id int)")
        path = self.server.directory / "script.sql"
        path.write_text(script, encoding="ascii")
        watch = self.watch_server("--types", "keyword")
        report = self.server.pgbench("--no-vacuum", "--protocol", protocol, "--transactions", self.TRANSACTIONS, "--file", path)
        summary = watch.stop_one()
        whole = float(re.search(r"latency average = ([\d.]+) ms", report).group(1)) / 1e3
        type = summary["query_metrics"]["query_type_breakdown"][committing]
        self.assertEqual((type["count"], type["failed"]), (self.TRANSACTIONS, 0))
        self.assertEqual(postgresql_server.counters(summary)[1:], (0, 0, 0))
        ours = type["avg_response_time_seconds"]
        print(f"{protocol}: a transaction {whole * 1e3:.1f} ms, {committing} {ours * 1e3:.1f} ms")
        self.assertGreater(whole, 0.1)
        self.assertTrue(0.9 * whole < ours < whole, (ours, whole))

    def test_a_commit_is_part_of_the_statement_that_commits(self):
        """By whatever protocol, and whether it is asked for or not."""
        for protocol in ("simple", "extended", "prepared"):
            self.check("INSERT INTO written VALUES (1);", "INSERT", protocol)
            self.check("BEGIN;\nINSERT INTO written VALUES (1);\nEND;", "END", protocol)


if __name__ == "__main__":
    harness.main()
