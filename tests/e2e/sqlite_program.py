"""The program of sqlite_user.py, as a child that is told what to do."""

import json
import pathlib
import subprocess
import sys

import harness

class User(harness.Child):
    def __init__(self, path):
        super().__init__([sys.executable, pathlib.Path(__file__).resolve().with_name("sqlite_user.py"), path], stdin=subprocess.PIPE)
        self.await_line(self.out, "READY", harness.PATIENCE_SECONDS)

    def kill(self):
        super().kill()
        self.process.stdin.close()

    def do(self, what):
        seen = len(self.out)
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        harness.wait_until(lambda: len(self.out) > seen, harness.PATIENCE_SECONDS, lambda: f"an answer to {what}: {self.describe()}")
        return json.loads(self.out[seen])

    def end(self):
        self.process.stdin.close()
        return self.wait(harness.PATIENCE_SECONDS)
