"""A terminal for tests: a tmux server with a socket, a configuration and one session of its own, and a shell in it."""

import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import time

import harness

SETTINGS = """set -g status off
set -g default-terminal screen-256color
set -g escape-time 0
"""


def require_tmux():
    if shutil.which("tmux") is None:
        harness.skip("tmux is not installed")


class TmuxScreen:
    """A shell that has nothing of whoever runs the test; `program` is what start() left running in it."""

    def __init__(self, directory, columns, lines, **environment):
        self.directory = pathlib.Path(directory)
        # A server that has just been ended is in the way of one with its name.
        self.socket = self.directory / f"tmux-{time.monotonic_ns()}"
        (self.directory / "tmux.conf").write_text(SETTINGS, encoding="ascii")
        self.program = None
        words = ["env", "-i", f"PATH={os.environ['PATH']}", f"HOME={directory}", "PS1=ready$ ", "TZ=UTC"]
        settings = {"LC_ALL": "C.UTF-8", "TERM": "screen-256color", **environment}
        words += [f"{name}={value}" for name, value in settings.items()]
        self.tmux("-f", self.directory / "tmux.conf", "new-session", "-d", "-c", self.directory, "-x", columns,
                  "-y", lines, shlex.join([*words, "bash", "--norc", "--noprofile"]))
        self.server = int(self.tmux("display-message", "-p", "#{pid}"))
        self.await_text("ready$")

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-S", str(self.socket), *map(str, words)], capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=harness.PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, f"tmux {words}: {done.stderr}"
        return done.stdout

    def kill(self):
        """Ends the server and what runs in it; nothing if it has ended."""
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True, check=False,
                       timeout=harness.PATIENCE_SECONDS)
        server = pathlib.Path(f"/proc/{self.server}")
        harness.wait_until(lambda: not server.exists(), harness.PATIENCE_SECONDS, "the end of the tmux server")
        if self.program and pathlib.Path(f"/proc/{self.program}").exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.program, signal.SIGKILL)

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def run(self, command):
        """Types a line into the shell."""
        self.tmux("send-keys", "-l", command)
        self.keys("Enter")

    def start(self, *words):
        """Starts a program whose process id is known; its stderr goes into a file, its exit code onto the screen."""
        pid_file = self.directory / "program.pid"
        pid_file.unlink(missing_ok=True)
        self.error_file = self.directory / "program.err"
        script = self.directory / "program.sh"
        script.write_text(f"#!/bin/sh\necho $$ > {pid_file}.new && mv {pid_file}.new {pid_file}\n"
                          f"exec {shlex.join(map(str, words))} 2> {self.error_file}\n", encoding="utf-8")
        self.run(f"sh {script}; echo exit=$?")
        harness.wait_until(pid_file.exists, harness.PATIENCE_SECONDS, f"the start of {words}")
        self.program = int(pid_file.read_text())

    @property
    def lines(self):
        return self.tmux("capture-pane", "-p").split("\n")

    @property
    def coloured(self):
        """With the attributes as escape sequences."""
        return self.tmux("capture-pane", "-p", "-e")

    def await_screen(self, condition, what):
        """The first screen for which `condition` (of its lines) is true."""
        lines = []

        def seen():
            lines[:] = self.lines
            return lines if condition(lines) else None
        try:
            return harness.wait_until(seen, harness.PATIENCE_SECONDS, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen is\n" + "\n".join(lines)) from None

    def await_text(self, text):
        return self.await_screen(lambda lines: any(text in line for line in lines), f"'{text}'")

    def await_without(self, text):
        return self.await_screen(lambda lines: not any(text in line for line in lines), f"no '{text}'")

    def resize(self, columns, lines):
        self.tmux("resize-window", "-x", columns, "-y", lines)
