"""Single queries of PostgreSQL: their text, which never shows a literal unless the user asks for it, whether they failed,
and where one hangs that waits for another session's row lock."""

import json
import threading

import harness
import postgresql_server

SECRET = "hunter2"
STATEMENT = "^SELECT [0-9a-f]{12}$"


class PostgresqlSlow(postgresql_server.Case):
    def record(self, work, *arguments, seconds="4s"):
        """The answer of `outrider slow` while `work` is done."""
        child = harness.Child([harness.OUTRIDER, "slow", "--pid", self.server.pid, "--for", seconds, "--format", "json",
                               *arguments])
        self.addCleanup(child.kill)
        child.await_line(child.err, "looking for", harness.ATTACH_SECONDS)
        work()
        self.assertEqual(child.wait(), 0, child.describe())
        return json.loads("\n".join(child.out)), "\n".join(child.out)

    def sleep(self):
        self.server.query(f"SELECT pg_sleep(1.25), '{SECRET}' -- {SECRET}")

    def test_text_is_off_unless_asked_for(self):
        found, said = self.record(self.sleep)
        slowest = found["slow"][0]
        self.assertEqual((slowest["failed"], slowest["text"]), (False, None))
        self.assertRegex(slowest["type"], STATEMENT)
        self.assertGreaterEqual(slowest["duration_seconds"], 1.25)
        self.assertGreaterEqual(slowest["waits"]["sleep_seconds"], 1.24)
        self.assertNotIn(SECRET, said)

    def test_normalised(self):
        found, said = self.record(self.sleep, "--query-text", "normalised")
        self.assertEqual(found["slow"][0]["text"], "select pg_sleep(?), ?")
        self.assertNotIn(SECRET, said)

    def test_whose_it_is(self):
        self.server.query("CREATE DATABASE \"böse\"")
        session = self.server.session("böse")
        self.addCleanup(session.close)
        ((database, user),) = session.query("SELECT current_database(), current_user")
        found, _ = self.record(lambda: session.query("SELECT pg_sleep(1.25)"))
        self.assertEqual([found["slow"][0][key] for key in ("database", "user", "client")], [database, user, "[local]"])

    def test_raw(self):
        found, _ = self.record(self.sleep, "--query-text", "raw")
        self.assertEqual(found["slow"][0]["text"], f"SELECT pg_sleep(1.25), '{SECRET}' -- {SECRET}")
        long = f"SELECT pg_sleep(1.25), '{'x' * 600}'"
        found, _ = self.record(lambda: self.server.query(long), "--query-text", "raw")
        self.assertEqual(found["slow"][0]["text"], long[:511] + "...")

    def test_a_long_text_is_cut_and_says_so(self):
        columns = ", ".join(f"'{SECRET}{i:04}' AS column_{i:04}" for i in range(100))
        found, said = self.record(lambda: self.server.query(f"SELECT pg_sleep(1.25), {columns}"), "--query-text",
                                  "normalised")
        text = found["slow"][0]["text"]
        self.assertEqual(text, "select pg_sleep(?...")  # of what was cut nobody knows whether its quotes are even
        self.assertNotIn(SECRET, said)

    def test_prepared_and_failed(self):
        def work():
            with self.server.session() as session:
                session.prepare("nap", f"SELECT pg_sleep($1::float8), '{SECRET}'")
                session.prepared("nap", ["1.1"])
                session.query("SET statement_timeout = '600ms'")
                with self.assertRaises(postgresql_server.ServerError):
                    session.query("SELECT pg_sleep(30) AS too_long")
        found, said = self.record(work, "--query-text", "normalised", "--type", "SELECT")
        first, second = found["slow"][:2]
        self.assertEqual((first["text"], first["failed"]), ("select pg_sleep(?::float8), ?", False))
        self.assertGreaterEqual(first["duration_seconds"], 1.1)
        self.assertEqual((second["text"], second["failed"]), ("select pg_sleep(?) as too_long", True))
        self.assertGreaterEqual(second["duration_seconds"], 0.6)
        self.assertNotIn(SECRET, said)

    def test_a_text_that_could_not_be_parsed_is_shown_up_to_its_first_quote(self):
        """With a quote too many, data and the rest change places."""
        def work():
            with self.server.session() as session:
                session.query("SELECT 7 AS seen")
                for text in (f"SELECT 'O'Brien', ' {SECRET} ', ' x'", f"SELECT ' y ' z ', ' {SECRET} ', ' x'"):
                    with self.assertRaises(postgresql_server.ServerError):
                        session.query(text)
        found, said = self.record(work, "--query-text", "normalised")
        self.assertEqual([query["text"] for query in found["slow"] if query["failed"]], ["select ?..."] * 2)
        self.assertIn("select ? as seen", [query["text"] for query in found["slow"]])
        self.assertNotIn(SECRET, said)

    def test_row_lock(self):
        self.server.query("CREATE TABLE held (id int, n int)")
        self.server.query("INSERT INTO held VALUES (1, 0)")
        holder = self.server.session()
        self.addCleanup(holder.close)
        waiting = threading.Thread(target=lambda: self.server.query("UPDATE held SET n = 7 WHERE id = 1"))

        def work():
            holder.query("BEGIN")
            holder.query("UPDATE held SET n = 1 WHERE id = 1")
            waiting.start()
        try:
            found, _ = self.record(work, "--query-text", "normalised", "--in-flight-after", "2s", seconds="5s")
        finally:
            holder.query("COMMIT")
            waiting.join()
        (query,) = found["in_flight"]
        self.assertEqual((query["state"], query["wait"]), ("waiting", "lock"))
        self.assertEqual(query["text"], "update held set n = ? where id = ?")
        self.assertGreaterEqual(query["seconds"], 2)
        stack = query["stack"]
        self.assertEqual([name for name in ("main", "PostgresMain", "heap_update", "ProcSleep") if name in stack],
                         ["main", "PostgresMain", "heap_update", "ProcSleep"], stack)


if __name__ == "__main__":
    harness.main()
