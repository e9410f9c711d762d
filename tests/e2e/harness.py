"""What the end-to-end tests share: an engine held at its start line, a watcher beside it, the engine's own record and
ours side by side. Everything is bounded in time and stopped by process id; a watcher that leaves a probe behind fails
its test."""

import collections
import contextlib
import csv
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("OUTRIDER_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("OUTRIDER_BUILD", SOURCE / "build"))
ENGINE = BUILD / "bin" / "graph-engine"
SCRIPTED = BUILD / "bin" / "scripted-engine"
OUTRIDER = BUILD / "bin" / "outrider"
INTENTS = ("factual", "relational", "hierarchical", "path", "aggregate")
# An emulated machine is that much slower: it gets less load and more patience.
SLOWNESS = float(os.environ.get("OUTRIDER_TEST_SLOWNESS", "1"))
LONG = os.environ.get("OUTRIDER_LONG") == "1"  # as `scripts/test --all` asks for
ATTACH_SECONDS = 30 * min(5, SLOWNESS)
PATIENCE_SECONDS = 60 * min(5, SLOWNESS)  # how long anything may take that should take a moment

Row = collections.namedtuple("Row", "start_ns end_ns type ok thread hits misses wait_class wait_ns detached_ns")


def skip(reason):
    """Ends the whole program as skipped."""
    print(f"skipped: {reason}")
    sys.exit(77)


def require_kernel():
    """Skips where no probe could be attached at all; asks the doctor, who probes for each feature."""
    if os.geteuid() != 0:
        skip("loading BPF programs needs root")
    done = subprocess.run([OUTRIDER, "doctor"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    if done.returncode != 0:
        # On one line: that is all of a skip that the report keeps.
        lines = done.stdout.splitlines() + done.stderr.splitlines()
        said = [line for line in lines if line.startswith("NO ")] or lines
        skip("outrider doctor says that this machine cannot: " + "; ".join(" ".join(line.split()) for line in said))


def wait_until(condition, seconds, what):
    """Returns the condition's first true value; fails when it does not come in time, with `what`, text or a function that
    gives it then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {what() if callable(what) else what}")


class Child:
    """A process that we started, with its output collected line by line."""

    def __init__(self, command, **options):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        errors="replace", **{"stdin": subprocess.DEVNULL, **options})
        self.pid = self.process.pid
        self.out, self.err = [], []
        self._readers = [threading.Thread(target=self._collect, args=pair, daemon=True)
                         for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _collect(stream, lines):
        with stream:
            for line in stream:
                lines.append(line.rstrip("\n"))

    @property
    def running(self):
        return self.process.poll() is None

    def await_line(self, lines, text, seconds, times=1):
        """Waits for a line that holds `text`, or for that many; the lines are self.out or self.err."""
        def said():
            return sum(text in line for line in lines) >= times

        def seen():
            if said():
                return True
            if not self.running:
                self._join()
                assert said(), f"ended before it said '{text}': {self.describe()}"
                return True
            return False
        wait_until(seen, seconds, f"'{text}' from {self.describe()}")

    def signal(self, number):
        if self.running:
            self.process.send_signal(number)

    def wait(self, seconds=PATIENCE_SECONDS):
        """Waits for its end; returns the exit code (negative: the signal that killed it)."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still runs after {seconds} s: {self.describe()}") from None
        self._join()
        return code

    def kill(self):
        if self.running:
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)
        self._join()

    def _join(self):
        # A child of its own may hold the pipes open for longer than it lives.
        for reader in self._readers:
            reader.join(5)

    def describe(self):
        tail = "\n  ".join(self.err[-15:])
        return f"{' '.join(self.command)} (exit code {self.process.poll()})\n  {tail}"


class Engine(Child):
    """graph-engine, held between "ready" and its load until release(): attaching is never a race."""

    def __init__(self, *arguments, record=None, binary=ENGINE, hold=True, delay=1, **options):
        self.record_path = record
        command = [binary, *arguments, "--delay", delay]
        if record:
            command += ["--record", record]
        super().__init__(command, **options)
        self.released_ns = 0
        self.await_line(self.out, f"ready pid={self.pid}", PATIENCE_SECONDS)
        if hold:
            self.signal(signal.SIGSTOP)

    def release(self):
        self.released_ns = time.monotonic_ns()
        self.signal(signal.SIGCONT)

    def finish(self, seconds=PATIENCE_SECONDS):
        """Waits for a good end; returns the rows of its record, in the order of their starts."""
        code = self.wait(seconds)
        assert code == 0, f"the engine failed: {self.describe()}"
        if not self.record_path:
            return []
        rows = read_record(self.record_path)
        if self.released_ns and rows:
            assert rows[0].start_ns >= self.released_ns, "the load began before the watcher was attached"
        return rows

    def abandoned(self):
        """Queries that it left by longjmp or with their thread, as it counted them itself."""
        line = next((line for line in self.err if line.startswith("abandoned")), "")
        return sum(int(number) for number in re.findall(r"\d+", line))


class Scripted(Child):
    """scripted-engine, which has stopped itself when the constructor returns; release() lets it go on."""

    def __init__(self, *words, binary=SCRIPTED, **options):
        super().__init__([binary, "stop", *words], **options)
        self.await_stop()

    def await_stop(self):
        def stopped():
            assert self.running, f"ended before it stopped: {self.describe()}"
            return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        wait_until(stopped, PATIENCE_SECONDS, f"the stop of {self.describe()}")

    def release(self):
        self.signal(signal.SIGCONT)

    def finish(self):
        code = self.wait()
        assert code == 0, f"the engine failed: {self.describe()}"


def real_time():
    """For preexec_fn: in front of whatever else the machine does, where that is allowed."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def read_record(path):
    with open(path, newline="", encoding="ascii") as file:
        rows = csv.reader(file)
        header = next(rows)
        assert tuple(header) == Row._fields, header
        return [Row(int(r[0]), int(r[1]), r[2], r[3] == "1", int(r[4]), int(r[5]), int(r[6]), r[7], int(r[8]), int(r[9]))
                for r in rows]


class Watch(Child):
    """outrider watch, attached when the constructor returns (unless wait=False). Its lines are JSON."""

    def __init__(self, *arguments, budget="off", wait=True, binary=OUTRIDER, **options):
        command = [binary, "watch", "--format", "json", *arguments]
        if budget is not None:
            command += ["--max-overhead", budget]
        super().__init__(command, **options)
        self.links = set()
        if wait:
            self.await_attached()

    def await_attached(self):
        # Each process is said by itself.
        self.await_line(self.err, "attached to", ATTACH_SECONDS, times=max(1, self.command.count("--pid")))
        self.links = bpf_links_of(self.pid)
        assert self.links, f"attached without a link: {self.describe()}"

    @property
    def lines(self):
        """What it has said so far, parsed, the summaries included."""
        return [json.loads(line) for line in list(self.out)]

    def snapshots(self, target=None):
        return [line for line in self.lines if "summary" not in line and target in (None, line["target"])]

    def stop(self, number=signal.SIGINT, code=0):
        """Ends it as Ctrl-C does; checks its end and that no probe is left. Returns its summaries by target."""
        self.links |= bpf_links_of(self.pid)
        self.signal(number)
        return self.end(code)

    def end(self, code=0):
        """As stop(), for a watch that ends by itself."""
        got = self.wait()
        assert got == code, f"exit code {got}, not {code}: {self.describe()}"
        assert_links_gone(self.links)
        return {line["target"]: line for line in self.lines if line.get("summary")}

    def stop_one(self, number=signal.SIGINT):
        """The summary of the only target."""
        summaries = self.stop(number)
        assert len(summaries) == 1, f"{len(summaries)} summaries: {self.describe()}"
        return next(iter(summaries.values()))


def bpf_links_of(pid):
    """The ids of the links that a process holds."""
    ids = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            ids.update(int(found) for found in re.findall(r"^link_id:\s+(\d+)", info.read_text(), re.M))
    return ids


def bpftool(*words):
    tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    done = subprocess.run([tool, "--json", *map(str, words)], capture_output=True, text=True, timeout=PATIENCE_SECONDS,
                          check=True)
    return json.loads(done.stdout or "[]")


def bpf_list(kind):
    """Every link, prog or map in the kernel. bpftool gives up at one that is just being made (the kernel says EAGAIN), as
    those of other tests may be."""
    for _ in range(4):
        with contextlib.suppress(subprocess.CalledProcessError):
            return bpftool(kind, "show")
    return bpftool(kind, "show")


def bpf_links():
    """The ids of every link in the kernel."""
    return {link["id"] for link in bpf_list("link")}


def map_dumps(pid):
    """(name, everything that user space can read of it) of each map of that process."""
    ids = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            ids.update(int(found) for found in re.findall(r"^map_id:\s+(\d+)", info.read_text(), re.M))
    for number in sorted(ids):
        with contextlib.suppress(subprocess.CalledProcessError):  # task storage: it is read by who has a thread's descriptor
            yield bpftool("map", "show", "id", number).get("name", "?"), json.dumps(bpftool("map", "dump", "id", number))


def bpf_map_id(pid, name):
    """The id of a map of that process, of whose name the kernel keeps 15 letters."""
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            found = re.search(r"^map_id:\s+(\d+)", info.read_text(), re.M)
            if found and bpftool("map", "show", "id", found[1])["name"] == name[:15]:
                return int(found[1])
    raise AssertionError(f"process {pid} has no map {name}")


def bpf_map_entries(pid, name):
    """How many entries a hash map of that process has."""
    return len(bpftool("map", "dump", "id", bpf_map_id(pid, name)))


def assert_links_gone(links):
    wait_until(lambda: not links & bpf_links(), 20, "a probe is left behind")


def lost(snapshot):
    """reason -> count, of what was seen and not counted. `slow_busy` is no such thing: those queries are in every
    figure, and one may be missing from the list of the slowest when a program lost its processor while it changed it."""
    return {reason: count for reason, count in snapshot["losses"].items()
            if count and reason not in ("unavailable", "slow_busy")}


def losses(snapshot):
    return sum(lost(snapshot).values())


def peak(rows):
    """The largest number of rows that overlap. At one instant an end comes before a start."""
    events = sorted([(row.start_ns, 1) for row in rows] + [(row.end_ns, -1) for row in rows])
    here = most = 0
    for _, step in events:
        here += step
        most = max(most, here)
    return most


def percentile(ordered, share):
    """The smallest value that at least `share` of the ordered ones do not exceed."""
    return ordered[math.ceil(share * len(ordered) - 1e-6) - 1]


def copy_of_engine(directory, name="engine", source=ENGINE):
    """A file of its own, so that a test can rename, strip or replace it. By a program: what another thread starts meanwhile would
    have our descriptor for a moment, and a file that is open to be written cannot be started."""
    path = pathlib.Path(directory) / name
    subprocess.run(["cp", "--preserve=mode,timestamps", source, path], check=True)
    return path


class Case(unittest.TestCase):
    """A test with a directory of its own; whatever it started is ended with it."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="outrider-e2e-", dir="/var/tmp")  # a real disk
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def engine(self, *arguments, record=True, **options):
        path = self.directory / f"record-{time.monotonic_ns()}.csv" if record else None
        engine = Engine("--data-dir", self.directory, *arguments, record=path, **options)
        self.addCleanup(engine.kill)
        return engine

    def scripted(self, *words, **options):
        engine = Scripted(*words, **options)
        self.addCleanup(engine.kill)
        return engine

    def watch(self, *arguments, **options):
        watch = Watch(*arguments, **options)
        self.addCleanup(watch.kill)
        return watch

    def watched_run(self, *arguments, watch=(), seconds=PATIENCE_SECONDS):
        """One engine under one watch, from before its first query until after its last. Returns (rows, summary)."""
        engine = self.engine(*arguments)
        watcher = self.watch("--pid", engine.pid, *watch)
        engine.release()
        rows = engine.finish(seconds)
        self.last_engine, self.last_watch = engine, watcher
        if watcher.running:
            watcher.signal(signal.SIGINT)
        summaries = watcher.end()
        self.assertEqual(len(summaries), 1, watcher.describe())
        return rows, next(iter(summaries.values()))

    def assert_counts_equal(self, rows, summary):
        """Totals and failures per type are the record's, nothing was lost."""
        self.assertEqual(losses(summary), 0, summary["losses"])
        breakdown = {name: (figures["count"], figures["failed"])
                     for name, figures in summary["query_metrics"]["query_type_breakdown"].items()
                     if (name, figures["count"]) != ("other", 0)}
        expected = collections.defaultdict(lambda: (0, 0))
        for row in rows:
            count, failed = expected[row.type]
            expected[row.type] = (count + 1, failed + (not row.ok))
        self.assertEqual(breakdown, dict(expected))


def finish(result):
    """Ends the program: 0 passed, 1 failed, 77 if every test was skipped; each reason is printed."""
    for test, reason in result.skipped:
        print(f"skipped: {test.id()}: {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun and len(result.skipped) == result.testsRun else 0)


def main():
    finish(unittest.main(exit=False, verbosity=2).result)
