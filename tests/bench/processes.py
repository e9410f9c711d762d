"""What the benchmarks share: processes that end with their block, and what they use."""
import os
import re
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BIN = os.environ.get("OUTRIDER_BUILD", os.path.join(ROOT, "build")) + "/bin"


def fail(message):
    sys.exit(f"bench: {message}")


class Child:
    """A process of ours that is stopped by its id when the block ends."""

    def __init__(self, arguments, **options):
        self.process = subprocess.Popen(arguments, text=True, **options)

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()


def wait_for(stream, text, what):
    for line in stream:
        if text in line:
            return
    fail(f"{what} did not start")


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid, part="VmRSS"):
    """`part`: a line of /proc/PID/status; RssAnon is what is the process's own, not pages of program and libraries."""
    match = re.search(rf"{part}:\s+(\d+)", open(f"/proc/{pid}/status").read())
    return int(match.group(1)) / 1024


def engine(*options):
    return Child([f"{BIN}/graph-engine", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
