"""What PostgreSQL refuses is counted as failed, exactly, in every protocol; what it merely undoes is not. Each case is
a few commands with the number of queries and failures that they are, between two settled snapshots of one watch."""

import os
import signal
import threading
import time

import harness
import postgresql_server
from postgresql_protocol import ServerError

QUERY_CANCELED, ADMIN_SHUTDOWN = "57014", "57P01"


class PostgresqlFailures(postgresql_server.Case):
    def setUp(self):
        super().setUp()
        self.watcher = self.watch_server("--interval", "250ms")
        self.one = self.session()
        self.one.query("CREATE TEMP TABLE numbers AS SELECT generate_series(1, 3) AS n")
        self.base = postgresql_server.settled(self.watcher)
        self.assertEqual(postgresql_server.counters(self.base), (1, 0, 0, 0))

    def tearDown(self):
        summary = self.watcher.stop_one()
        self.assertEqual(summary["query_metrics"]["current_concurrent"], 0)
        self.assertEqual(harness.losses(summary), 0, summary["losses"])

    def expect(self, queries, failed, what, abandoned=0):
        """What was counted since the last call."""
        now = postgresql_server.settled(self.watcher)
        before, after = postgresql_server.counters(self.base), postgresql_server.counters(now)
        self.base = now
        counted = tuple(later - earlier for earlier, later in zip(before[:3], after[:3]))
        self.assertEqual(counted, (queries, failed, abandoned), f"(queries, failed, abandoned) of: {what}")
        self.assertEqual(after[3], 0, f"in flight after: {what}")

    def refuse(self, code, action, *arguments):
        with self.assertRaises(ServerError) as caught:
            action(*arguments)
        self.assertEqual(caught.exception.code, code)

    def check_refusals(self, run):
        """`run` sends one statement in the protocol under test."""
        self.refuse("22012", run, "SELECT 1/0")
        self.expect(1, 1, "a division by zero")
        self.refuse("22012", run, "SELECT 1/(n-3) FROM numbers")
        self.expect(1, 1, "a division by zero in the third row")
        self.refuse("42601", run, "SELEKT 1")
        self.expect(1, 1, "a syntax error")
        self.refuse("42P01", run, "SELECT * FROM nowhere")
        self.expect(1, 1, "no such table")
        run("SELECT 1")
        self.expect(1, 0, "a query")

    def check_transactions(self, run):
        for statement in ("BEGIN", "SELECT 1", "ROLLBACK"):
            run(statement)
        self.expect(3, 0, "a transaction rolled back")
        for statement in ("BEGIN", "SAVEPOINT s"):
            run(statement)
        self.refuse("22012", run, "SELECT 1/0")
        for statement in ("ROLLBACK TO s", "SELECT 2", "COMMIT"):
            run(statement)
        self.expect(6, 1, "an error behind a savepoint")
        run("BEGIN")
        self.refuse("22012", run, "SELECT 1/0")
        self.refuse("25P02", run, "SELECT 1")
        self.refuse("25P02", run, "INSERT INTO numbers VALUES (4)")
        run("COMMIT")  # answered with ROLLBACK
        self.expect(5, 3, "commands in an aborted transaction")

    def test_simple_protocol(self):
        self.check_refusals(self.one.query)
        self.check_transactions(self.one.query)

    def test_extended_protocol(self):
        self.check_refusals(self.one.extended)
        self.check_transactions(self.one.extended)

    def test_prepared_statements(self):
        self.one.prepare("by", "SELECT 1 / $1::int")
        self.one.prepare("begin", "BEGIN")
        self.one.prepare("rollback", "ROLLBACK")
        self.expect(0, 0, "three statements prepared and not executed")
        self.refuse("42601", self.one.prepare, "bad", "SELEKT 1")
        self.expect(1, 1, "a statement that cannot be prepared")
        for _ in range(8):  # the sixth has a plan for all values
            self.one.prepared("by", ["1"])
        self.expect(8, 0, "a prepared statement, executed")
        self.refuse("22012", self.one.prepared, "by", ["0"])
        self.expect(1, 1, "a prepared statement that divides by zero")
        self.refuse("22P02", self.one.prepared, "by", ["one"])
        self.expect(1, 1, "a value that is no number")
        self.one.prepared("begin")
        self.refuse("22012", self.one.prepared, "by", ["0"])
        self.refuse("25P02", self.one.prepared, "by", ["1"])
        self.one.prepared("rollback")
        self.expect(4, 2, "a prepared statement in an aborted transaction")

    def test_several_statements_in_one_message(self):
        self.one.query("SELECT 1; SELECT 2")
        self.expect(1, 0, "two statements in one message")
        self.refuse("22012", self.one.query, "SELECT 1; SELECT 1/0; SELECT 2")
        self.expect(1, 1, "the second of three fails")
        self.one.pipeline(["SELECT 1", "SELECT 2", "SELECT 3"])
        self.expect(3, 0, "three statements before one Sync")
        self.refuse("22012", self.one.pipeline, ["SELECT 1", "SELECT 1/0", "SELECT 3"])
        self.expect(2, 1, "an error before the third, which is skipped")

    def test_a_client_that_goes_without_sync(self):
        other = self.session()
        other.execute_without_sync("SELECT 1")
        harness.wait_until(lambda: postgresql_server.counters(self.watcher.lines[-1])[3] == 1, 20, "a query that waits for its Sync")
        other.close()
        self.expect(1, 0, "a query whose client left")

    def test_nothing_to_do_is_no_failure(self):
        for empty in ("", ";", "-- ping", "/* ping */"):
            self.one.query(empty)
        self.expect(4, 0, "empty queries of the simple protocol")
        for empty in ("", ";", "-- ping", "/* ping */"):
            self.one.extended(empty)
        self.expect(0, 0, "empty queries of the extended protocol: nothing is executed")

    def test_errors_that_the_server_catches_itself(self):
        caught = "DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END $$"
        self.one.query(caught)
        self.one.extended(caught)
        self.expect(2, 0, "an error caught in a block")
        self.one.query("PREPARE divide AS SELECT 1 / g FROM generate_series(0, 0) g")  # fails once it runs
        self.one.extended("DO $$ BEGIN EXECUTE 'EXECUTE divide'; EXCEPTION WHEN division_by_zero THEN NULL; END $$")
        self.expect(2, 0, "an error caught of an execution inside another")
        self.refuse("P0001", self.one.query, "DO $$ BEGIN RAISE 'no'; END $$")
        self.expect(1, 1, "an error raised in a block")

    def test_a_replication_session(self):
        with self.session(replication="true") as walsender:
            walsender.query("IDENTIFY_SYSTEM")
            walsender.query("SHOW data_directory_mode")
        self.expect(0, 0, "commands of the replication protocol, which pass no probe")

    def long_query(self):
        """A session in the middle of a query of its own, and the thread that will read the answer."""
        session = self.session()
        outcome = []

        def read():
            try:
                session.read_answer()
                outcome.append("done")
            except (ServerError, ConnectionError) as error:
                outcome.append(error)
        session.send_query("SELECT pg_sleep(30)")
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        harness.wait_until(lambda: self.watcher.lines[-1]["query_metrics"]["current_concurrent"] == 1, 10,
                           "the long query in flight")
        time.sleep(0.2)
        return session, reader, outcome

    def finish(self, reader, outcome):
        reader.join(20)
        self.assertEqual(len(outcome), 1, "the long query's answer")
        return outcome[0]

    def test_a_cancelled_query_is_a_failure(self):
        session, reader, outcome = self.long_query()
        self.one.query(f"SELECT pg_cancel_backend({session.pid})")
        self.assertEqual(self.finish(reader, outcome).code, QUERY_CANCELED)
        self.expect(2, 1, "a query cancelled by another")
        self.one.query("SET statement_timeout = '50ms'")
        self.refuse(QUERY_CANCELED, self.one.query, "SELECT pg_sleep(5)")
        self.expect(2, 1, "a query that took too long")

    def expect_one_gone(self, others, what):
        """One query failed or was abandoned, `others` succeeded, and none is in flight."""
        now = postgresql_server.settled(self.watcher)
        before, after = postgresql_server.counters(self.base), postgresql_server.counters(now)
        queries, failed, abandoned = (later - earlier for earlier, later in zip(before[:3], after[:3]))
        self.base = now
        self.assertEqual((queries - failed, failed + abandoned, after[3]), (others, 1, 0), what)

    def test_a_terminated_backend_leaves_no_ghost(self):
        session, reader, outcome = self.long_query()
        self.one.query(f"SELECT pg_terminate_backend({session.pid}, 5000)")
        self.finish(reader, outcome)
        self.expect_one_gone(1, "a backend terminated in the middle of its query")

    def test_a_client_that_goes_away_leaves_no_ghost(self):
        session = self.session(options="-c client_connection_check_interval=100")
        session.send_query("SELECT pg_sleep(30)")
        harness.wait_until(lambda: self.watcher.lines[-1]["query_metrics"]["current_concurrent"] == 1, 10,
                           "the long query in flight")
        session.close()
        harness.wait_until(lambda: self.watcher.lines[-1]["query_metrics"]["current_concurrent"] == 0, 10,
                           "the server's notice")
        self.expect_one_gone(0, "a client that left in the middle of its query")

    def test_a_killed_backend_leaves_no_ghost(self):
        """The postmaster ends all other backends and starts anew; the watch goes on."""
        session, reader, outcome = self.long_query()
        os.kill(session.pid, signal.SIGKILL)
        self.assertIsInstance(self.finish(reader, outcome), ConnectionError)
        harness.wait_until(self.server.answers, 20, "the server's return")
        self.expect_one_gone(0, "a backend killed in the middle of its query")
        self.server.query("SELECT 1")
        self.expect(1, 0, "a query after the restart")


if __name__ == "__main__":
    harness.main()
