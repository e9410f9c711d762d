"""As secrets_test, of SQLite, to which what is in double quotes is a text where no column is called so."""

import json
import pathlib
import tempfile

import harness
from planted import NUMBER, SECRET, PlantedCase
from sqlite_program import User

STATEMENTS = (
    "CREATE TABLE kept (note)",
    f"INSERT INTO kept VALUES ('{SECRET}'), (\"{SECRET}\"), (x'{NUMBER}')",
    f"SELECT \"{SECRET}\", \"{SECRET}\"\"{SECRET}\" || \"{SECRET}\", -\"{NUMBER}\"",
    f"SELECT upper(\"{SECRET}\"), (\"{SECRET}\"), CASE WHEN 1 THEN \"{SECRET}\" ELSE \"{SECRET}\" END, \"{SECRET}\" COLLATE nocase",
    f"SELECT note FROM kept WHERE note = (\"{SECRET}\") OR note BETWEEN \"{SECRET}\" AND \"{SECRET}\" OR note IN (1, \"{SECRET}\")",
    f"SELECT note FROM kept WHERE note IS DISTINCT FROM \"{SECRET}\" OR note LIKE \"{SECRET}\" ESCAPE \"x\" ORDER BY \"{SECRET}\"",
    f"UPDATE kept SET note = \"{SECRET}\" WHERE \"{SECRET}\" = note AND NOT \"{SECRET}\"",
    f"SELECT DISTINCT \"{SECRET}\" FROM kept GROUP BY \"{SECRET}\" HAVING \"{SECRET}\" LIMIT {NUMBER} -- {SECRET}",
    f"SELECT $a(it's) , ' {SECRET} ' , :b, @c::d(it's) , ' {SECRET} '",
    f"SELECT 1 LIKE:p(it's), ' {SECRET} ', :q(it's)",
    f"SELECT '{SECRET}' IN (\"\"\"{SECRET}\", \"\"\"\")",
    f"VACUUM INTO \"/nowhere/{SECRET}\"",
    f"SELECT * FROM nowhere WHERE a = \"{SECRET}\"",
    f"SELECT '{'x' * 1500}{SECRET}'",
    f"SELECT \"{SECRET}",
    f"SELECT 'a' {SECRET}'",
)
FAILING = 3


class Sqlite:
    queries = len(STATEMENTS)
    target = "\nallow_library_returns = true"

    def __init__(self, case):
        directory = tempfile.TemporaryDirectory(prefix="outrider-sqlite-", dir="/var/tmp")
        case.addCleanup(directory.cleanup)
        path = pathlib.Path(directory.name) / "db"
        path.with_name("db.json").write_text(json.dumps(STATEMENTS), encoding="utf-8")
        self.program = User(path)
        case.addCleanup(self.program.kill)
        self.pid = self.program.process.pid

    def pass_them(self):
        counts = self.program.do("script")
        assert counts == {"CREATE": 1, "INSERT": 1, "SELECT": 9, "UPDATE": 1, "VACUUM": 1, "null": FAILING}, counts


class SqliteSecrets(PlantedCase):
    def test_statements(self):
        self.assertIn("update kept set note = ? where ? = note and not ?", self.check(Sqlite, text="normalised"))


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
