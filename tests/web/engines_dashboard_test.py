#!/usr/bin/env python3
"""The dashboard with a real MariaDB, Redis and a program that uses SQLite behind it, for people to look at: the types are the engine's
own, and their failures and waits are there."""

import threading

from web_harness import WebCase, harness, require_browser

import mariadb_server
import redis_server
from sqlite_program import User


class Engines(WebCase):
    def see(self, name, pid, load, types, more=""):
        """What the page shows of the engine while it has its load."""
        self.configure([f'pid = {pid}\ndisplay_name = "{name}"\n{more}'], interval="1s")
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot(name), harness.PATIENCE_SECONDS, "the first snapshot")
        loading = threading.Thread(target=load)
        loading.start()
        self.addCleanup(loading.join)
        self.browse("engine", agent, target=name, types=types).finish()
        loading.join()
        agent.end()

    def test_mariadb(self):
        server = mariadb_server.Server()
        self.addCleanup(server.stop)

        def load():
            with server.session() as session:
                for _ in range(20):
                    session("SELECT * FROM nowhere;")
            server.slap("--auto-generate-sql", "--auto-generate-sql-load-type=mixed", "--concurrency=4", "--number-of-queries=20000")
        self.see("mariadb", server.pid, load, ["CREATE", "INSERT", "SELECT"])

    def test_redis(self):
        server = redis_server.Server()
        self.addCleanup(server.stop)
        self.see("redis", server.pid, lambda: server.benchmark("-t", "set,get,lpush,incr", "-n", 60_000, "-c", 20), ["GET", "INCR", "LPUSH", "SET"])

    def test_sqlite(self):
        user = User(self.directory / "db")
        self.addCleanup(user.kill)

        def load():
            user.do("load")
            for _ in range(8):
                user.do("rows")
                user.do("slow")
        self.see("sqlite", user.process.pid, load, ["BEGIN", "COMMIT", "INSERT", "SELECT", "UPDATE"],
                 "allow_library_returns = true")
        user.end()


if __name__ == "__main__":
    require_browser()
    mariadb_server.require()
    redis_server.require()
    harness.require_kernel()
    harness.main()
