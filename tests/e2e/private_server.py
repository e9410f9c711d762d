"""What a server of a test's own has: a directory, a process that ends with the test, and after a few minutes in any case."""

import pathlib
import shutil
import signal
import subprocess
import tempfile

import harness

LIFETIME_SECONDS = 280


class PrivateServer:
    """`prefix` names its directory; who derives from it says how it is started, and when it answers."""

    start_seconds = 30
    stop_signal = signal.SIGTERM

    def __init__(self, prefix):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"outrider-{prefix}-", dir="/var/tmp"))
        self._process = None

    def run(self, command, **options):
        with open(self.directory / "log", "ab") as log:
            # `timeout` outlives a test that is killed: no server is left behind.
            self._process = subprocess.Popen(["timeout", f"--signal={self.stop_signal.name}", "--kill-after=10", str(LIFETIME_SECONDS), *command],
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        harness.wait_until(self._ready, self.start_seconds, f"a server in {self.directory}")

    def _ready(self):
        assert self._process.poll() is None, "the server did not start:\n" + (self.directory / "log").read_text(errors="replace")
        return self.answers()

    def answers(self):
        """False while it is starting up, or not there."""
        raise NotImplementedError

    def shut_down(self):
        """A clean stop; the same data comes back when it is started again."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(self.stop_signal)  # handed on by `timeout`
            self._process.wait(60)
        self._process = None

    def stop(self):
        try:
            self.shut_down()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
