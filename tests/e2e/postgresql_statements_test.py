"""Statements as types, against PostgreSQL's own grouping: the query_id that its log has for each text, and the calls of
pg_stat_statements."""

import collections
import json
import time

import harness
import logged_server
import varied_statements
from statement_checks import check_groups, check_hidden, dump_maps

CLIENTS = 4
SHAPES, EACH = 210, 10
MANY = 700  # statements, of 256 that have a slot at a time
LONG = "n" * 63  # the longest name
SESSIONS = (("alice", "orders"), ("bob", "orders"), ("a", LONG), (LONG, LONG))
SECRETS = ("SecretOfMine", "4815162342", "4711.0815")


class PostgresqlStatements(logged_server.Case):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.pgbench("--initialize", "--quiet", "--scale", 1)
        for statement in varied_statements.SCHEMA.strip().split(";\n"):
            cls.server.query(statement.rstrip(";"))

    def check_groups(self, types, logged, least):
        texts, query_ids = zip(*logged)
        return check_groups(self, types, texts, query_ids, "postgresql", least)

    def test_pgbench_scripts(self):
        def load():
            for script in ("--select-only", "--skip-some-updates", "--no-vacuum"):
                self.server.pgbench("--no-vacuum", script, "--client", CLIENTS, "--transactions", 100)
        self.server.query("SELECT pg_stat_statements_reset()")
        types, logged = self.watched(load)
        pairs = self.check_groups(types, logged, 0.99)
        calls = {int(query_id): int(count) for query_id, count in
                 self.server.query("SELECT queryid, sum(calls) FROM pg_stat_statements GROUP BY 1")}
        for (name, query_id), count in collections.Counter(pairs).items():
            self.assertEqual(types[name]["count"], count, types[name]["statement"])
            self.assertEqual(calls[query_id], count, types[name]["statement"])

    def test_varied_statements(self):
        texts = varied_statements.Writer(7).all(SHAPES, EACH)
        self.assertGreaterEqual(len(texts), 2000)
        types, logged = self.watched(lambda: self.psql(texts))
        self.assertEqual(len(logged), len(texts))
        pairs = self.check_groups(types, logged, 0.99)
        self.assertGreater(len({query_id for _, query_id in pairs}), 100)

    def test_more_statements_than_slots(self):
        """Those that are met no more make room for new ones, which therefore all are told apart; none of the counts gets lost."""
        watch = self.watch_server("--interval", "500ms")
        with self.server.session() as session:
            for i in range(MANY):
                session.query(f"SELECT {i} AS column_{i}")
                session.query(f"SELECT {i} AS hot")
                time.sleep(0.02)
        summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        types = summary["query_metrics"]["query_type_breakdown"]
        self.assertEqual(summary["query_metrics"]["total_queries"], 2 * MANY)
        self.assertEqual(sum(type["count"] for type in types.values()), 2 * MANY)
        hot, = (type for type in types.values() if type["statement"] == "select ? as hot")
        self.assertEqual(hot["count"], MANY)
        last, = (type for type in types.values() if type["statement"] == f"select ? as column_{MANY - 1}")
        self.assertEqual(last["count"], 1)
        self.assertLess(len(types), 260)
        self.assertGreater(types["other"]["count"], MANY - 260)

    def sessions_of(self, *arguments):
        """Each of three statements by each of four pairs of user and database, a pair as often as its number: {(user, database,
        statement): count} of what was watched."""
        for user, database in SESSIONS:
            self.server.query(f'CREATE ROLE "{user}" SUPERUSER LOGIN')
            self.addCleanup(self.server.query, f'DROP ROLE "{user}"')
        for database in {database for _, database in SESSIONS}:
            self.server.query(f'CREATE DATABASE "{database}"')
            self.addCleanup(self.server.query, f'DROP DATABASE "{database}"')
        self.server.query("SELECT pg_stat_statements_reset()")
        watch = self.watch_server(*arguments)
        for times, (user, database) in enumerate(SESSIONS, 1):
            with self.server.session(database, user=user) as session:
                session.prepare("later", "SELECT $1 + 1 AS prepared")
                for i in range(times):
                    session.query(f"SELECT {i} AS plain")
                    session.prepared("later", [str(i)])
                    session.extended("SELECT $1 * 2 AS extended", [str(i)])
        summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        counts = collections.Counter()
        for type in summary["query_metrics"]["query_type_breakdown"].values():
            if type["statement"] and " as " in type["statement"]:
                counts[(type["user"], type["database"], type["statement"])] += type["count"]
        return dict(counts)

    def theirs(self, user, database):
        """The same as pg_stat_statements has it; what is not to be told apart is NULL."""
        rows = self.server.query(
            f"SELECT {user}, {database}, lower(regexp_replace(query, '\\$\\d+|\\y\\d+\\y', '?', 'g')), sum(calls) "
            "FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid JOIN pg_database d ON d.oid = s.dbid "
            "WHERE query ~* ' AS (plain|prepared|extended)$' GROUP BY 1, 2, 3")
        return {(who, where, statement): int(calls) for who, where, statement, calls in rows}

    def test_types_by_user_and_database(self):
        """As pg_stat_statements tells them apart."""
        ours = self.sessions_of("--types-by", "both")
        self.assertEqual(ours, self.theirs("rolname", "datname"))
        self.assertEqual(len(ours), 3 * len(SESSIONS))
        self.assertEqual(ours[(*SESSIONS[3], "select ? as plain")], 4)

    def test_types_by_database(self):
        ours = self.sessions_of("--types-by", "database")
        self.assertEqual(ours, self.theirs("NULL", "datname"))
        self.assertEqual(len(ours), 3 * 2)

    def test_types_by_user(self):
        ours = self.sessions_of("--types-by", "user")
        self.assertEqual(ours, self.theirs("rolname", "NULL"))
        self.assertEqual(len(ours), 3 * 4)

    def test_names_that_can_be_read_in_two_ways_are_nobodys(self):
        self.server.query('CREATE ROLE "two words" LOGIN')
        self.addCleanup(self.server.query, 'DROP ROLE "two words"')
        watch = self.watch_server("--types-by", "both")
        with self.server.session(user="two words") as session:
            session.query("SELECT 1")
        summary = watch.stop_one()
        type, = (type for type in summary["query_metrics"]["query_type_breakdown"].values() if type["statement"] == "select ?")
        self.assertEqual((type["user"], type["database"], type["count"]), (None, None, 1))

    def test_no_literal_leaves_the_kernel(self):
        def load():
            for i in range(3):
                self.server.query(f"SELECT '{SECRETS[0]}{i}', {SECRETS[1]}, $a${SECRETS[0]}$a$ WHERE {SECRETS[2]} > {i} "
                                  f"-- {SECRETS[0]}")
        watch = self.watch_server()
        load()
        dumps = dump_maps(self, watch)
        summary = watch.stop_one()
        harness.wait_until(lambda: sum(SECRETS[0] in text for text, _ in self.logged()) == 3, 20, "the log")
        self.assertIn("select ?, ?, ? where ? > ?", [type["statement"] for type in
                                                     summary["query_metrics"]["query_type_breakdown"].values()])
        said = "\n".join([json.dumps(summary), watch.describe(), *dumps])
        check_hidden(self, SECRETS, said)


if __name__ == "__main__":
    harness.main()
