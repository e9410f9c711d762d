"""A private MariaDB for one test: a data directory of its own, reached through a Unix socket there, run as the user `mysql`."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess

import harness
from private_server import PrivateServer

MARK = "outrider-answer-is-over"


def require():
    for program in ("mariadbd", "mariadb-install-db", "mariadb-slap", "sysbench"):
        if not shutil.which(program):
            harness.skip(f"{program} is not installed (packages mariadb-server, mariadb-client and sysbench)")


def owner():
    """Keyword arguments that run a subprocess as `mysql`: the server refuses to be root."""
    entry = pwd.getpwnam("mysql")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}


class Session:
    """The command line client, one input at a time; errors do not end it."""

    def __init__(self, server, database):
        self.process = subprocess.Popen(
            ["mariadb", "--no-defaults", "--socket", server.socket, "--user=root", "--batch", "--skip-column-names", "--force", "--comments",
             "--unbuffered", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            encoding="utf-8", errors="surrogateescape")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)

    def __call__(self, sql):
        """The rows, as lists of fields. It takes one statement more than `sql` has, a SELECT, by which its end is told."""
        self.process.stdin.write(f"{sql}\nSELECT '{MARK}';\n")
        self.process.stdin.flush()
        rows = []
        for line in self.process.stdout:
            if line.strip() == MARK:
                return [row.split("\t") for row in rows]
            rows.append(line.rstrip("\n"))
        raise AssertionError("the client ended")


def prepare(server, sql):
    """The number of the error that the binary protocol answers with, 0 if none, through the library that clients use."""
    client = ctypes.CDLL("libmariadb.so.3")
    client.mysql_init.restype = client.mysql_real_connect.restype = client.mysql_stmt_init.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(client.mysql_init(None))
    client.mysql_error.restype = ctypes.c_char_p
    connected = client.mysql_real_connect(connection, None, b"root", None, b"test", 0, str(server.socket).encode(), ctypes.c_ulong(0))
    assert connected, client.mysql_error(connection)
    statement = ctypes.c_void_p(client.mysql_stmt_init(connection))
    client.mysql_stmt_prepare(statement, sql.encode(), ctypes.c_ulong(len(sql)))
    number = client.mysql_stmt_errno(statement)
    client.mysql_stmt_close(statement)
    client.mysql_close(connection)
    return number


class Server(PrivateServer):
    """Started by the constructor, ended by stop()."""

    start_seconds = 60

    def __init__(self, *options):
        super().__init__("maria")
        self.options = options
        entry = pwd.getpwnam("mysql")
        os.chown(self.directory, entry.pw_uid, entry.pw_gid)
        self.data = self.directory / "data"
        self.socket = self.directory / "socket"
        try:
            done = subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
                                   "--auth-root-authentication-method=normal"], capture_output=True, text=True, check=False, **owner())
            assert done.returncode == 0, done.stderr
            self.start()
            with self.session("mysql") as session:
                session("CREATE DATABASE test;")
        except BaseException:
            self.stop()
            raise

    def start(self):
        self.run([shutil.which("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", "--skip-networking",
                  f"--pid-file={self.directory / 'pid'}", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", *self.options], **owner())

    def answers(self):
        done = subprocess.run(["mariadb", "--no-defaults", "--socket", self.socket, "--user=root", "-e", "SELECT 1"],
                              capture_output=True, check=False)
        return done.returncode == 0

    @property
    def pid(self):
        return int((self.directory / "pid").read_text())

    def session(self, database="test"):
        return Session(self, database)

    def run_script(self, texts):
        """Sends each text as it is, on a connection of its own."""
        script = self.directory / "script.sql"
        script.write_text("".join(f"{text}\n;\n" for text in texts), encoding="utf-8")
        with open(script, encoding="utf-8") as file:
            done = subprocess.run(["mariadb", "--no-defaults", "--socket", self.socket, "--user=root", "--batch", "--comments", "test"],
                                  stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr

    def sysbench(self, command, *arguments):
        """Its read-only transactions on one table, by prepared statements."""
        done = subprocess.run(["sysbench", "oltp_read_only", "--db-driver=mysql", f"--mysql-socket={self.socket}", "--mysql-user=root",
                               "--mysql-db=test", "--table-size=1000", "--time=0", *map(str, arguments), command],
                              capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def slap(self, *arguments):
        done = subprocess.run(["mariadb-slap", "--no-defaults", "--socket", self.socket, "--user=root", *map(str, arguments)],
                              capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def crash(self):
        """As the kernel's out-of-memory killer does it; start() is what a supervisor would do."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait(30)
