#!/usr/bin/env python3
"""The dashboard in Chromium with a real PostgreSQL behind it: its figures are the API's and pgbench's, rows that are
fought for show as locks, and a query that sorts shows the sort."""

import json
import threading
import time

from web_harness import WebCase, harness, require_browser

import postgresql_server

SCRIPT = """\\set id random(1, 2)
BEGIN;
UPDATE hot SET n = n + 1 WHERE id = :id;
SELECT pg_sleep(0.004);
INSERT INTO seen VALUES (:id);
END;
"""
LONG = ("SELECT id AS the_first_column_of_many, n AS another_one, n AS and_one_more, n AS which_nobody_reads FROM hot "
        "LEFT JOIN seen USING(id) ORDER BY the_first_column_of_many, another_one, and_one_more, which_nobody_reads")
UPDATE = "update hot set n = n + ? where id = ?"
TYPES = ("BEGIN", "UPDATE", "SELECT", "INSERT", "END")
LOAD_SECONDS = 10
SORT = "SELECT count(*) FROM (SELECT md5(g::text) AS m FROM generate_series(1, 100000) g ORDER BY m DESC OFFSET 0) s"


class PostgresqlDashboard(WebCase):
    def setUp(self):
        super().setUp()
        self.server = postgresql_server.Server()
        self.addCleanup(self.server.stop)
        self.server.query("CREATE TABLE hot AS SELECT id, 0 AS n FROM generate_series(1, 2) AS id")
        self.server.query("CREATE TABLE seen (id int)")

    def watch(self, *keys):
        self.configure(["\n".join((f"pid = {self.server.pid}", 'display_name = "postgres"', *keys))], interval="1s")
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace("[agent]", '[agent]\nin_flight_after = "2s"', 1), encoding="utf-8")
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("postgres"), harness.PATIENCE_SECONDS, "the first snapshot")
        return agent

    def load(self):
        """Transactions of one query of each type; returns how many, and a window with all of them and nothing else."""
        script = self.server.directory / "contended.sql"
        script.write_text(SCRIPT, encoding="ascii")
        begin = int(time.time()) - 1
        report = self.server.pgbench("--no-vacuum", "--client", 6, "--time", LOAD_SECONDS, "--file", script)
        end = int(time.time()) + 2
        processed, failed = postgresql_server.transactions(report)
        self.assertEqual(failed, 0)
        time.sleep(5)  # the last of it is read, and written
        return processed, {"from": begin * 1000, "to": end * 1000}

    def test_figures_types_and_locks(self):
        agent = self.watch('types = "keyword"')
        processed, window = self.load()
        snapshot = agent.snapshot("postgres")
        table = {name: snapshot["query_metrics"]["query_type_breakdown"][name]["count"] for name in TYPES}
        self.assertEqual(table, dict.fromkeys(TYPES, processed))
        total = snapshot["query_metrics"]["total_queries"]
        self.assertEqual(total, len(TYPES) * processed)
        options = {"target": "postgres", "total": total, "types": TYPES, **window}
        self.browse("values", agent, **options).finish()
        self.browse("postgresql", agent, **options).finish()
        agent.end()

    def test_statements(self):
        """Types that are statements: each with its text, found by it, and short where it is long."""
        agent = self.watch()
        self.server.query(LONG)
        loading = threading.Thread(target=self.load)
        loading.start()
        self.addCleanup(loading.join)
        self.browse("statements", agent, target="postgres", update=UPDATE, long=LONG.lower()).finish()
        loading.join()
        agent.end()
        # The next agent has met none of them.
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("postgres"), harness.PATIENCE_SECONDS, "the first snapshot")
        types = json.loads(agent.text("/api/v1/types?target=postgres&since=300s"))["types"]
        self.assertIn(UPDATE, {each["statement"] for each in types})
        self.assertNotIn(None, {each["statement"] for each in types})
        agent.end()

    def test_whose_statements(self):
        """One statement of two users is two types, on the page, found by their names, and in the past after a restart."""
        agent = self.watch('types_by = "both"')
        for user in ("alice", "bob"):
            self.server.query(f"CREATE ROLE {user} SUPERUSER LOGIN")
            with self.server.session(user=user) as session:
                for _ in range(10):
                    session.query(UPDATE.replace("?", "1"))
        owners = [{"user": user, "database": "postgres", "statement": UPDATE} for user in ("alice", "bob")]
        self.browse("whose", agent, target="postgres", owners=owners).finish()
        agent.end()
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("postgres"), harness.PATIENCE_SECONDS, "the first snapshot")
        types = json.loads(agent.text("/api/v1/types?target=postgres&since=300s"))["types"]
        found = [{key: each[key] for key in owners[0]} for each in types if each["statement"] == UPDATE]
        self.assertEqual(sorted(found, key=lambda each: each["user"]), owners)
        agent.end()

    def test_a_query_that_hangs_and_a_slow_one(self):
        agent = self.watch('query_text = "normalised"')
        self.server.query("SELECT pg_sleep(1.5), 'secret'")
        holder = self.server.session()
        self.addCleanup(holder.close)
        (whose,) = holder.query("SELECT current_database(), current_user")
        holder.query("BEGIN")
        holder.query("UPDATE hot SET n = 1 WHERE id = 1")
        waiting = threading.Thread(target=lambda: self.server.query("UPDATE hot SET n = 7 WHERE id = 1"))
        waiting.start()
        try:
            self.browse("hanging", agent, target="postgres", hangs="update hot set n = ? where id = ?",
                        frames=("main", "PostgresMain", "heap_update", "ProcSleep"),
                        slow="select pg_sleep(?), ?", session=[*whose, "[local]"]).finish()
        finally:
            holder.query("COMMIT")
            waiting.join()
        agent.end()

    def test_a_flame_graph_of_a_sort(self):
        agent = self.watch('types = "keyword"')
        over = threading.Event()

        def repeat():
            with self.server.session() as session:
                while not over.is_set():
                    session.query(SORT)
        thread = threading.Thread(target=repeat)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        self.browse("recorded", agent, type="SELECT", leaf="tuplesort_", shot="postgresql-flame").finish()
        agent.end()


if __name__ == "__main__":
    require_browser()
    postgresql_server.binaries()
    harness.require_kernel()
    harness.main()
