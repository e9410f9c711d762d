"""MariaDB as the distribution has it, against its own SHOW GLOBAL STATUS: questions and commands under load, failures, several
statements in one message, stored procedures; and a server that crashes and is started anew."""

import harness
import mariadb_server

QUERIES = 6_000
EVENTS = 300
# What a statement begins with, by the server's own name of the command.
COMMANDS = {"SELECT": ("Com_select",), "INSERT": ("Com_insert",), "UPDATE": ("Com_update",), "DELETE": ("Com_delete",),
            "CREATE": ("Com_create_table", "Com_create_db", "Com_create_procedure"), "DROP": ("Com_drop_table", "Com_drop_db"),
            "CALL": ("Com_call_procedure",), "SHOW": ("Com_show_status",), "SET": ("Com_set_option",), "BEGIN": ("Com_begin",),
            "COMMIT": ("Com_commit",)}


class MariaDb(harness.Case):
    @classmethod
    def setUpClass(cls):
        mariadb_server.require()
        harness.require_kernel()
        cls.server = mariadb_server.Server()
        cls.addClassCleanup(cls.server.stop)

    def counted(self, load):
        """(the summary of a watch, what the server counted meanwhile, by its names)"""
        with self.server.session() as session:
            session("SELECT 1;")  # it is there
            watch = self.watch("--pid", self.server.pid, "--types", "keyword")
            before = dict(session("SHOW GLOBAL STATUS;"))
            load(session)
            after = dict(session("SHOW GLOBAL STATUS;"))
            summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        # The first SHOW and the last SELECT are no part of the difference; with both it is all that was watched.
        theirs = {name: int(value) - int(before[name]) for name, value in after.items() if name.startswith(("Com_", "Questions", "Connections"))}
        theirs["Com_show_status"] += 1
        theirs["Com_select"] += 1
        theirs["Questions"] += 2
        return summary, theirs

    @staticmethod
    def await_closed(session):
        """A client that is gone is counted once more, as a question without a text, when the server finds that out."""
        harness.wait_until(lambda: dict(session("SHOW GLOBAL STATUS LIKE 'Threads_connected';"))["Threads_connected"] == "1", 30,
                           "the load's connections to be closed")

    def check(self, summary, theirs):
        types = {name: type["count"] for name, type in summary["query_metrics"]["query_type_breakdown"].items() if type["count"]}
        expected = {word: sum(theirs[name] for name in names) for word, names in COMMANDS.items()}
        self.assertEqual(types, {word: count for word, count in expected.items() if count})
        return types

    def test_load(self):
        def load(session):
            self.server.slap("--auto-generate-sql", "--auto-generate-sql-load-type=mixed", "--concurrency=4",
                             f"--number-of-queries={QUERIES}")
            self.await_closed(session)
        summary, theirs = self.counted(load)
        types = self.check(summary, theirs)
        # Two questions have no text: a change of the database, and the end of each connection.
        self.assertEqual(summary["query_metrics"]["total_queries"],
                         theirs["Questions"] - theirs["Com_change_db"] - theirs["Connections"])
        self.assertGreater(types["SELECT"], QUERIES / 4)
        self.assertGreater(types["INSERT"], QUERIES / 4)
        self.assertEqual(summary["query_metrics"]["failed_queries"], 0)

    def test_prepared_statements(self):
        self.server.sysbench("prepare")
        def load(session):
            self.server.sysbench("run", "--threads=4", f"--events={EVENTS}")
            self.await_closed(session)
        summary, theirs = self.counted(load)
        types = self.check(summary, theirs)
        self.assertEqual(summary["query_metrics"]["total_queries"],
                         theirs["Questions"] - theirs["Com_change_db"] - theirs["Connections"])
        self.assertGreaterEqual(theirs["Com_stmt_execute"], 16 * EVENTS)
        self.assertGreaterEqual(types["SELECT"], 14 * EVENTS)
        self.assertEqual(summary["query_metrics"]["failed_queries"], 0)

    def test_failures_and_several_statements_at_once(self):
        def load(session):
            session("CREATE TABLE t (id INT PRIMARY KEY, v INT);")
            session("INSERT INTO t VALUES (1, 1), (2, 2);")
            for _ in range(5):
                session("INSERT INTO t VALUES (1, 3);")  # a duplicate
            session("SELEC 1;")                          # no SQL: a statement without a command
            session("SELECT * FROM nowhere;")
            session("DELIMITER //\nSELECT 1; SELECT 2; UPDATE t SET v = 5 WHERE id = 1//\nDELIMITER ;")
        summary, theirs = self.counted(load)
        types = summary["query_metrics"]["query_type_breakdown"]
        self.assertEqual(summary["query_metrics"]["total_queries"], theirs["Questions"])
        self.assertEqual((types["INSERT"]["count"], types["INSERT"]["failed"]), (6, 5))
        self.assertEqual((types["UPDATE"]["count"], types["UPDATE"]["failed"]), (1, 0))
        self.assertEqual((types["SELEC"]["count"], types["SELEC"]["failed"]), (1, 1))
        self.assertEqual((types["SELECT"]["count"], types["SELECT"]["failed"]), (theirs["Com_select"], 1))
        self.assertEqual(summary["query_metrics"]["failed_queries"], 7)

    def test_what_cannot_be_prepared(self):
        """No execution follows; a client that only prepares, and then executes in vain, would see no failure at all."""
        with self.server.session() as session:
            session("CREATE TABLE known (id INT PRIMARY KEY);")
        watch = self.watch("--pid", self.server.pid, "--types", "keyword")
        for _ in range(3):
            self.assertEqual(mariadb_server.prepare(self.server, "SELECT id FROM unknown WHERE id = ?"), 1146)  # ER_NO_SUCH_TABLE
            self.assertEqual(mariadb_server.prepare(self.server, "SELECT id FROM known WHERE id = ?"), 0)
        summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        types = {name: (type["count"], type["failed"]) for name, type in summary["query_metrics"]["query_type_breakdown"].items() if type["count"]}
        self.assertEqual(types, {"SELECT": (3, 3)})

    def test_procedures(self):
        """What happens inside is part of the CALL: neither a result nor an error that is caught there ends it."""
        with self.server.session() as session:
            session("""DELIMITER //
CREATE PROCEDURE slow_one() BEGIN
  DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
  SELECT 1;
  SELECT * FROM nowhere_at_all;
  SELECT 2;
  DO SLEEP(0.3);
  SELECT 3;
END//
DELIMITER ;""")
        summary, _ = self.counted(lambda session: session("CALL slow_one();"))
        call = summary["query_metrics"]["query_type_breakdown"]["CALL"]
        self.assertEqual((call["count"], call["failed"]), (1, 0))
        self.assertAlmostEqual(call["avg_response_time_seconds"], 0.3, delta=0.1)
        self.assertEqual(summary["query_metrics"]["query_type_breakdown"]["SELECT"]["count"], 3)  # those that tell an answer's end

    def test_a_crash(self):
        watch = self.watch("--name", "mariadbd", "--types", "keyword")
        for _ in range(2):
            with self.server.session() as session:
                for i in range(40):
                    session(f"SET @i = {i};")
            self.server.crash()
            self.server.start()
        summary = watch.stop_one()
        self.assertEqual(summary["query_metrics"]["query_type_breakdown"]["SET"]["count"], 80)


if __name__ == "__main__":
    mariadb_server.require()
    harness.require_kernel()
    harness.main()
