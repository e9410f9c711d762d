"""A small client for PostgreSQL's protocol, version 3, over a Unix socket: psql cannot send one message at a time, and
what counts as a query depends on the messages. Trust authentication only."""

import contextlib
import socket
import struct

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30


class ServerError(Exception):
    """An ErrorResponse; `code` is its SQLSTATE."""

    def __init__(self, fields):
        self.code = fields.get("C", "?????")
        super().__init__(f"{self.code}: {fields.get('M', '')}")


class Session:
    """One connection, used by one thread at a time. Every method that sends a command waits for ReadyForQuery, unless
    its name begins with `send_`."""

    def __init__(self, socket_path, database="postgres", user="postgres", **parameters):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(CONNECT_SECONDS)
        self._buffer = b""
        self.pid = 0
        try:
            self._socket.connect(str(socket_path))
            self._start_up({"user": user, "database": database, **parameters})
        except BaseException:
            self._socket.close()
            raise

    def _start_up(self, words):
        self._socket.settimeout(ANSWER_SECONDS)
        body = b"".join(_text(word) for pair in words.items() for word in pair) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(body) + 8, 3 << 16) + body)
        self.read_answer()

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.sendall(_message(b"X"))
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    # The simple protocol.

    def send_query(self, sql):
        self._socket.sendall(_message(b"Q", _text(sql)))

    def query(self, sql):
        """The rows of all statements in the text, as tuples of texts; raises ServerError."""
        self.send_query(sql)
        return self.read_answer()

    # The extended protocol.

    def prepare(self, name, sql):
        """Parse and Sync, and nothing else."""
        self._socket.sendall(_parse(name, sql) + _message(b"S"))
        return self.read_answer()

    def send_prepared(self, name, values=()):
        self._socket.sendall(_bind(name, values) + _execute() + _message(b"S"))

    def prepared(self, name, values=()):
        self.send_prepared(name, values)
        return self.read_answer()

    def extended(self, sql, values=()):
        """Parse, Bind, Execute of the unnamed statement and Sync in one go, as most drivers do."""
        self._socket.sendall(_parse("", sql) + _bind("", values) + _execute() + _message(b"S"))
        return self.read_answer()

    def pipeline(self, statements):
        """Several statements before one Sync; the first error skips the rest."""
        messages = [_parse("", sql) + _bind("", ()) + _execute() for sql in statements]
        self._socket.sendall(b"".join(messages) + _message(b"S"))
        return self.read_answer()

    def execute_without_sync(self, sql):
        """Execute and Flush: the command is over when its answer is here, and what the client does next is not known."""
        self._socket.sendall(_parse("", sql) + _bind("", ()) + _execute() + _message(b"H"))
        while self._read_message()[0] != b"C":
            pass

    def read_answer(self):
        """The rows until ReadyForQuery; raises the first error after that, ConnectionError when the server is gone."""
        rows, error = [], None
        while True:
            kind, body = self._read_message()
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                error = error or ServerError(_fields(body))
            elif kind == b"K":
                self.pid = struct.unpack("!i", body[:4])[0]
            elif kind == b"R" and body[:4] != b"\0\0\0\0":
                raise ServerError({"M": "only trust authentication is spoken here"})
            elif kind == b"Z":
                if error:
                    raise error
                return rows

    def _read_message(self):
        header = self._read(5)
        return header[:1], self._read(struct.unpack("!i", header[1:])[0] - 4)

    def _read(self, size):
        while len(self._buffer) < size:
            got = self._socket.recv(65536)
            if not got:
                raise ConnectionError("the server has closed the connection")
            self._buffer += got
        part, self._buffer = self._buffer[:size], self._buffer[size:]
        return part


def _text(text):
    return text.encode() + b"\0"


def _message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def _parse(name, sql):
    return _message(b"P", _text(name) + _text(sql) + struct.pack("!h", 0))


def _bind(name, values):
    encoded = b"".join(struct.pack("!i", len(value)) + value for value in (str(value).encode() for value in values))
    return _message(b"B", _text("") + _text(name) + struct.pack("!hh", 0, len(values)) + encoded + struct.pack("!h", 0))


def _execute():
    return _message(b"E", _text("") + struct.pack("!i", 0))


def _row(body):
    count, at, row = struct.unpack("!h", body[:2])[0], 2, []
    for _ in range(count):
        size = struct.unpack("!i", body[at:at + 4])[0]
        at += 4
        row.append(None if size < 0 else body[at:at + size].decode())
        at += max(size, 0)
    return tuple(row)


def _fields(body):
    parts = [part.decode(errors="replace") for part in body.split(b"\0") if part]
    return {part[0]: part[1:] for part in parts}
