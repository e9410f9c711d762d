"""A private PostgreSQL for one test: a cluster of its own in a temporary directory, reached through a Unix socket
there, run as the user `postgres`."""

import glob
import os
import pathlib
import pwd
import re
import signal
import subprocess
import time

import harness
from postgresql_protocol import ServerError, Session
from private_server import PrivateServer

PORT = 54321  # names the socket; nothing listens on the network

SETTINGS = {
    "listen_addresses": "''",
    "port": PORT,
    "max_connections": 60,
    "shared_preload_libraries": "'pg_stat_statements'",
    "pg_stat_statements.track_utility": "on",
    "autovacuum": "off",
    "fsync": "off",
    "max_wal_size": "'1GB'",
}


def binaries():
    """The directory of the newest server that is installed; skips the program without one."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.split("/")[4]))
    if not found:
        harness.skip("PostgreSQL is not installed (package postgresql)")
    return pathlib.Path(found[-1]).parent


def owner():
    """Keyword arguments that run a subprocess as `postgres`: the server refuses to be root."""
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}


class Server(PrivateServer):
    """Started by the constructor, ended by stop()."""

    stop_signal = signal.SIGINT  # a fast shutdown: it waits for nobody's session

    def __init__(self, **settings):
        self.bin = binaries()
        super().__init__("pg")
        entry = pwd.getpwnam("postgres")
        os.chown(self.directory, entry.pw_uid, entry.pw_gid)
        self.data = self.directory / "data"
        self.socket = self.directory / f".s.PGSQL.{PORT}"
        try:
            self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--pgdata", self.data)
            lines = {**SETTINGS, "unix_socket_directories": f"'{self.directory}'", **settings}
            with open(self.data / "postgresql.conf", "a", encoding="ascii") as file:
                file.writelines(f"{name} = {value}\n" for name, value in lines.items())
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self):
        """Of the postmaster."""
        return int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])

    def start(self):
        self.run([self.bin / "postgres", "-D", self.data], **owner())

    def answers(self):
        """False while it is starting up, or not there."""
        try:
            self.session().close()
            return True
        except (OSError, ServerError):
            return False

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def session(self, database="postgres", **parameters):
        return Session(self.socket, database, **parameters)

    def query(self, sql, database="postgres"):
        """In a session of its own."""
        with self.session(database) as session:
            return session.query(sql)

    def pgbench(self, *arguments, seconds=60):
        """Runs pgbench to its good end; returns its report."""
        return self._run("pgbench", "--host", self.directory, "--port", PORT, *arguments, "postgres", seconds=seconds)

    def _run(self, program, *arguments, seconds=60):
        done = subprocess.run([str(word) for word in (self.bin / program, *arguments)], capture_output=True, text=True,
                              timeout=seconds, check=False, stdin=subprocess.DEVNULL, **owner())
        assert done.returncode == 0, f"{program} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    def file_of(self, table):
        return self.data / self.query(f"SELECT pg_relation_filepath('{table}')")[0][0]


def transactions(report):
    """(processed, failed) of a pgbench report."""
    processed = int(re.search(r"transactions actually processed: (\d+)", report).group(1))
    return processed, int(re.search(r"number of failed transactions: (\d+)", report).group(1))


class Case(harness.Case):
    """Tests that share one server a class; SERVER_SETTINGS are its own additions to the configuration."""

    SERVER_SETTINGS = {}

    @classmethod
    def setUpClass(cls):
        binaries()
        harness.require_kernel()
        cls.server = Server(**cls.SERVER_SETTINGS)
        cls.addClassCleanup(cls.server.stop)

    def session(self, **parameters):
        session = self.server.session(**parameters)
        self.addCleanup(session.close)
        return session

    def watch_server(self, *arguments):
        return self.watch("--pid", self.server.pid, *arguments)


def counters(line):
    """What a snapshot has counted since the attach: (queries, failed, abandoned, in flight now)."""
    figures = line["query_metrics"]
    return (figures["total_queries"], figures["failed_queries"], figures["abandoned_queries"],
            figures["current_concurrent"])


def settled(watch):
    """The next snapshot that covers all that has happened until now: the second one from here."""
    seen = len(watch.out)
    harness.wait_until(lambda: len(watch.out) >= seen + 2, 20, "two more snapshots")
    return watch.lines[-1]
