"""No data of a statement gets anywhere unless somebody asks for it: secrets are planted in PostgreSQL's statements in every way that SQL
has, and looked for in whatever the service writes, answers, logs and keeps in its maps."""

import urllib.error

import harness
import postgresql_server
from postgresql_protocol import ServerError
from service_harness import ServiceCase

SECRET = "PlantedSecret"
NUMBER = "48151623420042"
PLANTED = (SECRET.encode(), SECRET.lower().encode(), SECRET.upper().encode(), NUMBER.encode())
STATEMENTS = (
    f"SELECT '{SECRET}', {NUMBER}",
    f"SELECT $${SECRET}$$, $tag${SECRET} ' $tag$, -{NUMBER}, {NUMBER}.5, {NUMBER[:9]}e3",
    f"SELECT E'it\\'s {SECRET}', U&'{SECRET}', N'{SECRET}', '{SECRET}''{SECRET}'",
    f"SELECT 1 -- {SECRET}",
    f"/* {SECRET} /* {SECRET} */ */ SELECT 2",
    f"INSERT INTO kept VALUES ('{SECRET}'), ('{SECRET}2')",
    f"UPDATE kept SET note = '{SECRET}' WHERE note IN ('{SECRET}', '{SECRET}2', '{NUMBER}')",
    f"SELECT pg_sleep(0.3), '{SECRET}'",  # among the slowest
    f"SELECT '{'x' * 1500}{SECRET}'",     # beyond what is looked at
    f"SELECT note FROM kept WHERE note = '{'y' * 1000}' AND note <> '{SECRET}'",
)
FAILING = (
    f"SELECT '{SECRET}'::int",
    f"SELECT {NUMBER}{NUMBER}::int",
    f"SELECT * FROM nowhere WHERE a = '{SECRET}'",
    f"SELEC '{SECRET}'",
    f"SELECT '{SECRET}",            # no end
    f"SELECT $a${SECRET}",          # neither
    f"SELECT 1 /* {SECRET}",
    f"SELECT 'a' {SECRET}'",        # a quote too many
)
ANSWERS = ("snapshot?format=json&", "snapshot?format=prometheus&", "snapshot?format=influxdb&", "history?metric=p99&", "trends?", "targets?",
           "alerts?", "dashboard?", "charts?since=60s&", "types?since=60s&", "live?", "queries?", "agent?")


class Secrets(ServiceCase):
    def setUp(self):
        super().setUp()
        self.server = postgresql_server.Server()
        self.addCleanup(self.server.stop)
        self.server.query("CREATE TABLE kept (note text)")

    def pass_them(self):
        with self.server.session() as session:
            for sql in STATEMENTS:
                session.query(sql)
            session.extended("SELECT $1::text", [SECRET])
            session.prepare("one", f"SELECT '{SECRET}', $1::text")
            for _ in range(2):
                session.prepared("one", [SECRET])
        for sql in FAILING:
            with self.server.session() as session, self.assertRaises(ServerError):
                session.query(sql)

    def answer(self, agent, path):
        """Of too short a history there are no trends; a refusal is an answer too."""
        try:
            return agent.text(path)
        except urllib.error.HTTPError as refusal:
            return refusal.read().decode()

    def assert_clean(self, where, data):
        for planted in PLANTED:
            hexadecimal = planted.hex(" ").encode()
            for form in (planted, hexadecimal, b", ".join(b'"0x%02x"' % byte for byte in planted)):
                at = data.find(form)
                self.assertEqual(at, -1, f"a secret is in {where}: {data[max(0, at - 200):at + 100]}")

    def check(self, types, text):
        written = self.directory / "readings.jsonl"
        textfile = self.directory / "outrider.prom"
        target = f'pid = {self.server.pid}\ndisplay_name = "db"\ntypes = "{types}"\nquery_text = "{text}"'
        self.configure([target], f'[export.json]\npath = "{written}"\n[export.textfile]\npath = "{textfile}"\n')
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("db"), harness.PATIENCE_SECONDS, "the first snapshot")
        self.pass_them()
        seen = agent.await_total("db", len(STATEMENTS) + len(FAILING))
        looked_at = 0
        for path in ANSWERS:
            self.assert_clean(path, self.answer(agent, f"/api/v1/{path}target=db").encode())
        self.assert_clean("/metrics", agent.text("/metrics").encode())
        for name, dump in harness.map_dumps(agent.pid):
            self.assert_clean(f"the map {name}", dump.encode())
            looked_at += 1
        self.assertGreater(looked_at, 5)
        agent.end()
        files = [path for path in self.directory.rglob("*") if path.is_file() and path != self.config]
        self.assertIn(self.database, files)
        self.assertIn(written, files)
        for path in files:
            self.assert_clean(path, path.read_bytes())
        self.assert_clean("the log", agent.describe().encode())
        return seen

    def test_statements(self):
        seen = self.check("statement", "off")
        statements = [type["statement"] for type in seen["query_metrics"]["query_type_breakdown"].values()]
        self.assertIn("update kept set note = ? where note in (?)", statements)  # they have been looked at

    def test_keywords(self):
        self.check("keyword", "off")

    def test_texts_without_literals(self):
        self.check("statement", "normalised")

    def test_they_are_found_where_they_were_asked_for(self):
        """What this test looks for can be found at all."""
        with self.assertRaisesRegex(AssertionError, "a secret is in"):
            self.check("statement", "raw")


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
