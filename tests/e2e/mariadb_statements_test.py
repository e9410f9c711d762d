"""Statements of MariaDB as types, against its own grouping: the digest that its performance schema has for each text."""

import json

import harness
import mariadb_server
import varied_statements
from statement_checks import check_groups, check_hidden, dump_maps

SHAPES, EACH = 210, 10
EVENTS = 100
BEGIN = "SELECT 'the load begins'"
SECRETS = ("SecretOfMine", "4815162342", "4711.0815")
DIGESTS = f"""SELECT hex(sql_text), digest FROM performance_schema.events_statements_history_long
WHERE event_name LIKE 'statement/sql/%' AND thread_id = (SELECT min(thread_id) FROM performance_schema.events_statements_history_long
  WHERE sql_text LIKE "{BEGIN}%") ORDER BY timer_start;"""


class MariaDbStatements(harness.Case):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        mariadb_server.require()
        harness.require_kernel()
        cls.server = mariadb_server.Server(
            "--performance-schema=ON", "--performance-schema-consumer-events-statements-current=ON",
            "--performance-schema-consumer-events-statements-history-long=ON",
            "--performance-schema-events-statements-history-long-size=10000", "--sql-mode=")
        cls.addClassCleanup(cls.server.stop)
        cls.server.run_script(varied_statements.MYSQL_SCHEMA.strip().split(";\n"))

    def watched(self, texts):
        """({type: figures}, the texts that the server got, the digest of each)"""
        watch = self.watch("--pid", self.server.pid)
        self.server.run_script([BEGIN, *texts])
        summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        self.assertEqual(summary["query_metrics"]["failed_queries"], 0)
        with self.server.session() as session:
            rows = session(DIGESTS)
        theirs = [(bytes.fromhex(text).decode(), digest) for text, digest in rows]
        self.assertEqual(len(theirs), len(texts) + 1)
        types = {name: type for name, type in summary["query_metrics"]["query_type_breakdown"].items() if type["count"]}
        return types, [text for text, _ in theirs], [digest for _, digest in theirs]

    def test_varied_statements(self):
        texts = varied_statements.MysqlWriter(7).all(SHAPES, EACH)
        self.assertGreaterEqual(len(texts), 2000)
        types, sent, digests = self.watched(texts)
        pairs = check_groups(self, types, sent, digests, "mysql", 0.99)
        self.assertGreater(len({digest for _, digest in pairs}), 100)

    def test_prepared_statements(self):
        """Their text was sent before, by another message; with parameters or with data in it it is the same statement."""
        self.server.sysbench("prepare")
        watch = self.watch("--pid", self.server.pid)
        self.server.sysbench("run", f"--events={EVENTS}")
        self.server.run_script(["SELECT c FROM sbtest1 WHERE id=5", "PREPARE p FROM 'SELECT c FROM sbtest1 WHERE id=?'",
                                "SET @id = 7", *["EXECUTE p USING @id"] * 3])
        summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        said = {type["statement"]: type["count"] for type in summary["query_metrics"]["query_type_breakdown"].values() if type["count"]}
        ranges = ("select c from sbtest1 where id between ? and ?", "select sum(k) from sbtest1 where id between ? and ?",
                  "select c from sbtest1 where id between ? and ? order by c", "select distinct c from sbtest1 where id between ? and ? order by c")
        expected = {"select c from sbtest1 where id = ?": 10 * EVENTS + 1, **dict.fromkeys(ranges, EVENTS), "begin": EVENTS, "commit": EVENTS,
                    "prepare p from ?": 1, "set @ id = ?": 1, "execute p using @ id": 3}
        self.assertEqual(said, {**said, **expected})

    def test_several_in_one_message(self):
        with self.server.session() as session:
            watch = self.watch("--pid", self.server.pid)
            session("DELIMITER //\nSELECT 1 AS one; UPDATE orders SET note = \"x\" WHERE id = 0; SELECT 'two' AS two//\nDELIMITER ;")
            summary = watch.stop_one()
        said = {type["statement"]: type["count"] for type in summary["query_metrics"]["query_type_breakdown"].values() if type["count"]}
        self.assertEqual(said, {"select ? as one": 1, "update orders set note = ? where id = ?": 1, "select ? as two": 1, "select ?": 1})

    def test_no_literal_leaves_the_kernel(self):
        watch = self.watch("--pid", self.server.pid)
        self.server.run_script([f"SELECT '{SECRETS[0]}{i}', {SECRETS[1]}, \"{SECRETS[0]}'s\", x'{SECRETS[1]}' FROM orders "
                                f"WHERE {SECRETS[2]} > {i} # {SECRETS[0]}" for i in range(3)])
        dumps = dump_maps(self, watch)
        summary = watch.stop_one()
        said = [type["statement"] for type in summary["query_metrics"]["query_type_breakdown"].values()]
        self.assertIn("select ?, ?, ?, ? from orders where ? > ?", said)
        check_hidden(self, SECRETS, "\n".join([json.dumps(summary), watch.describe(), *dumps]))


if __name__ == "__main__":
    mariadb_server.require()
    harness.require_kernel()
    harness.main()
