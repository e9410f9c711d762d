"""A program that uses SQLite, for sqlite_test: prints READY, does what the words on its input say, and prints for each of them what
SQLite's own trace told meanwhile: {first word of the statement: how often one began to run}. "slow" says its "seconds" too."""

import collections
import ctypes
import json
import os
import sqlite3
import sys
import time


class Program:
    def __init__(self, path):
        self.path = path
        self.counts = collections.Counter()
        self.connection = self.connect()
        self.connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
        self.connection.execute("SELECT 1").fetchall()
        self.counts.clear()

    def connect(self):
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.set_trace_callback(lambda sql: self.counts.update([sql.split()[0].upper()]))
        return connection

    def load(self):
        for i in range(500):
            self.connection.execute("INSERT INTO t VALUES (?, ?)", (i, i % 7))
        for i in range(300):
            self.connection.execute("SELECT v FROM t WHERE id = ?", (i,)).fetchall()
        self.connection.execute("BEGIN")
        self.connection.executemany("UPDATE t SET v = v + 1 WHERE id = ?", [(i,) for i in range(100)])
        self.connection.execute("COMMIT")

    def rows(self):
        """One statement that is stepped row by row, with others between its rows."""
        for (number,) in self.connection.execute("SELECT id FROM t LIMIT 50"):
            self.connection.execute("UPDATE t SET v = 0 WHERE id = ?", (number,))
        self.connection.execute("SELECT id FROM t").fetchone()  # and one that is given up after its first row

    def prepared(self):
        """Through the library itself: a text of two statements, and one that is longer than it is said to be, run when both are
        prepared."""
        library = ctypes.CDLL("libsqlite3.so.0")
        database, one, other, rest = (ctypes.c_void_p() for _ in range(4))
        assert library.sqlite3_open(str(self.path).encode(), ctypes.byref(database)) == 0
        text = b"SELECT v FROM t WHERE id = 5" + b"4711 AND v = 'SecretOfMine'"
        two = b"UPDATE t SET v = 1 WHERE id = 9; DELETE FROM t WHERE v = 'SecretOfMine'"
        prepare, size = library.sqlite3_prepare_v2, len(text) - 27
        assert prepare(database, text, size, ctypes.byref(one), None) == 0
        assert prepare(database, two, -1, ctypes.byref(other), ctypes.byref(rest)) == 0
        for statement in (one, other):
            while library.sqlite3_step(statement) == 100:
                pass
            assert library.sqlite3_finalize(statement) == 0
        assert prepare(database, rest, -1, ctypes.byref(other), None) == 0
        assert library.sqlite3_step(other) == 101
        assert library.sqlite3_finalize(other) == 0
        assert library.sqlite3_close(database) == 0
        self.counts.update(SELECT=1, UPDATE=1, DELETE=1)

    def script(self):
        """Each text of the JSON list beside the database, through the library itself: parameters have no values, and a double-quoted
        text is one where no column is called so."""
        library = ctypes.CDLL("libsqlite3.so.0")
        database, statement = ctypes.c_void_p(), ctypes.c_void_p()
        assert library.sqlite3_open(str(self.path).encode(), ctypes.byref(database)) == 0
        with open(f"{self.path}.json", encoding="utf-8") as file:
            for text in json.load(file):
                failed = library.sqlite3_prepare_v2(database, text.encode(), -1, ctypes.byref(statement), None)
                while not failed and library.sqlite3_step(statement) == 100:
                    pass
                library.sqlite3_finalize(statement)
                self.counts.update([None if failed else text.split()[0].upper()])
        assert library.sqlite3_close(database) == 0

    def all_columns(self):
        self.connection.execute("SELECT id, v FROM t").fetchall()

    def failures(self):
        for sql in ("INSERT INTO t VALUES (1, 1)", "INSERT INTO t VALUES (2, 2)", "SELEC 1", "SELECT * FROM nowhere"):
            try:
                self.connection.execute(sql)
                raise AssertionError(sql)
            except sqlite3.Error:
                pass

    def slow(self):
        self.connection.create_function("nap", 1, lambda seconds: time.sleep(seconds) or 1)
        begin = time.monotonic()
        self.connection.execute("SELECT nap(0.2), nap(0.1)").fetchall()
        self.counts["seconds"] = time.monotonic() - begin

    def fork(self):
        child = os.fork()
        if child == 0:
            connection = sqlite3.connect(self.path, isolation_level=None)
            for i in range(20):
                connection.execute("DELETE FROM t WHERE id = ?", (i,))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        self.counts["DELETE"] += 20


def main():
    program = Program(sys.argv[1])
    print("READY", flush=True)
    for line in sys.stdin:
        getattr(program, line.strip())()
        print(json.dumps(program.counts), flush=True)
        program.counts.clear()


if __name__ == "__main__":
    main()
