"""As secrets_test, of MariaDB: texts in either quote, backslashes, comments that are code, characters with ASCII bytes in them."""

import harness
import mariadb_server
from planted import NUMBER, SECRET, PlantedCase

# 81 60 is one character of gbk, whose second half looks like a backtick.
STATEMENTS = (
    "CREATE TABLE kept (note text)",
    f"INSERT INTO kept VALUES ('{SECRET}'), (\"{SECRET}\"), (x'{NUMBER}'), (_utf8mb4'{SECRET}')",
    f"SELECT 'it\\'s {SECRET}', \"{SECRET}\"\"{SECRET}\", N'{SECRET}', {NUMBER}, 'a' '{SECRET}'",
    f"SELECT note FROM kept WHERE note IN ('{SECRET}', \"{SECRET}\") /* {SECRET} */ # {SECRET}",
    f"SELECT 1 /*!50000 , '{SECRET}' */",
    f"PREPARE p FROM 'SELECT \"{SECRET}\"'",
    "EXECUTE p",
    f"SELECT * FROM nowhere WHERE a = '{SECRET}'",
    f"SELEC '{SECRET}'",
    f"SELECT '{'x' * 1500}{SECRET}'",
    "\\C gbk",  # SET NAMES, of which the client knows too
    f"SELECT now() AS `a\udc81`b`, 'c\udc81`', ' {SECRET} ' # '",
    f"SELECT 1 AS a\udc81`, '{SECRET}' `b` # `",
    f"SELECT 1 AS \udc81`, '{SECRET}' `b` # `",
    f"SELECT '\udc81\\' , '{SECRET}', '\udc81\\'",
)


class MariaDb:
    queries = 2 * len(STATEMENTS)  # the session asks for a mark behind each
    target = ""

    def __init__(self, case):
        mariadb_server.require()
        self.server = mariadb_server.Server()
        case.addCleanup(self.server.stop)
        self.pid = self.server.pid

    def pass_them(self):
        with self.server.session() as session:
            for sql in STATEMENTS:
                session(f"{sql}\n;")


class MariaDbSecrets(PlantedCase):
    def test_statements(self):
        statements = self.check(MariaDb, text="normalised")
        self.assertIn("insert into kept values (?),(_utf8mb4 ?)", statements)
        self.assertIn("select now() as...", statements)  # what is behind half of a character was not looked at


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
