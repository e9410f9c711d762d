"""No data of a statement gets anywhere unless somebody asks for it: secrets are planted in PostgreSQL's statements in every way that SQL
has, and looked for in whatever the service writes, answers, logs and keeps in its maps."""

import harness
import postgresql_server
from planted import NUMBER, SECRET, PlantedCase
from postgresql_protocol import ServerError

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


class Postgresql:
    queries = len(STATEMENTS) + len(FAILING) + 3  # and one that is extended, and one that is prepared, twice
    target = ""

    def __init__(self, case):
        self.server = postgresql_server.Server()
        case.addCleanup(self.server.stop)
        self.server.query("CREATE TABLE kept (note text)")
        self.pid = self.server.pid

    def pass_them(self):
        with self.server.session() as session:
            for sql in STATEMENTS:
                session.query(sql)
            session.extended("SELECT $1::text", [SECRET])
            session.prepare("one", f"SELECT '{SECRET}', $1::text")
            for _ in range(2):
                session.prepared("one", [SECRET])
        for sql in FAILING:
            with self.server.session() as session:
                try:
                    session.query(sql)
                except ServerError:
                    continue
                raise AssertionError(f"{sql} did not fail")


class Secrets(PlantedCase):
    def test_statements(self):
        self.assertIn("update kept set note = ? where note in (?)", self.check(Postgresql))  # they have been looked at

    def test_keywords(self):
        self.check(Postgresql, types="keyword")

    def test_texts_without_literals(self):
        self.check(Postgresql, text="normalised")

    def test_they_are_found_where_they_were_asked_for(self):
        """What this test looks for can be found at all."""
        with self.assertRaisesRegex(AssertionError, "a secret is in"):
            self.check(Postgresql, text="raw")


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
