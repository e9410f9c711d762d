"""A private Redis for one test: on a Unix socket of its own directory alone."""

import re
import shutil
import socket
import subprocess

import harness
from private_server import PrivateServer


def require():
    if not shutil.which("redis-server"):
        harness.skip("Redis is not installed (package redis-server)")


class RedisError(Exception):
    """An answer that is an error."""


class Client:
    """One connection, one command at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.answers = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answers.close()
        self.socket.close()

    def _answer(self):
        line = self.answers.readline()
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RedisError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.answers.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == "-1" else [self._element() for _ in range(int(rest))]
        assert kind == b"+", line
        return rest

    def _element(self):
        try:
            return self._answer()
        except RedisError as error:
            return error

    def __call__(self, *words):
        words = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self._answer()


class Server(PrivateServer):
    """Started by the constructor, ended by stop()."""

    def __init__(self, env=None):
        super().__init__("redis")
        self._env = env
        self.socket = self.directory / "socket"
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        self.run(["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.directory, "--save", ""],
                 env=self._env)

    def answers(self):
        try:
            with self.client() as client:
                return client("PING") == "PONG"
        except OSError:
            return False

    @property
    def pid(self):
        with self.client() as client:
            return int(re.search(r"process_id:(\d+)", client("INFO", "server")).group(1))

    def client(self):
        return Client(self.socket)

    def counted(self, client):
        """What the server itself has counted: ({command in capitals, without its subcommand: (calls, failed calls)}, (keyspace hits,
        misses))."""
        counts = {}
        info = client("INFO", "all")
        for name, calls, failed in re.findall(r"cmdstat_([^:|]+)(?:\|[^:]+)?:calls=(\d+),.*failed_calls=(\d+)", info):
            before = counts.get(name.upper(), (0, 0))
            counts[name.upper()] = (before[0] + int(calls), before[1] + int(failed))
        return counts, tuple(int(re.search(rf"keyspace_{name}:(\d+)", info).group(1)) for name in ("hits", "misses"))

    def benchmark(self, *arguments):
        done = subprocess.run(["redis-benchmark", "-s", self.socket, "-q", *map(str, arguments)], capture_output=True, text=True, check=False,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout
