"""The victims of the soak. Each is two targets of the service under test, followed by their files, and lives through
one episode after the other. An episode is some seconds of an engine at full rate and a way to end; its truth is the
engine's own record, and once the service has read what came after it the two are compared."""

import collections
import dataclasses
import datetime
import os
import random
import re
import signal
import struct
import threading
import time

import harness

SETTLE_SECONDS = 60
PATIENCE_SECONDS = 180  # for an episode of some seconds: three engines at full rate are not all that runs on a machine
REFRESH_SECONDS = 2  # how often the agent looks for a binary that was replaced
MODES = ("blocking", "hop", "nested", "loop")
# What episodes do to a victim, as they say it themselves.
FAULTS = ("victim terminated", "victim stopped", "victim hangs", "fork storm", "binary replaced", "victim killed", "victim execs",
          "children with queries", "exceptions")


@dataclasses.dataclass
class Truth:
    """What an episode's engine says of itself. slack: queries of which it cannot know whether they ended, or were
    abandoned, when it was killed: one for each thread at most."""
    total: int = 0
    failed: int = 0
    abandoned: int | None = 0
    slack: int = 0


def figures_of(snapshot):
    """(total, failed, abandoned, reason -> losses) since the attach."""
    metrics = snapshot["query_metrics"]
    return (metrics["total_queries"], metrics["failed_queries"], metrics["abandoned_queries"],
            collections.Counter(harness.lost(snapshot)))


def taken_at(snapshot):
    return datetime.datetime.fromisoformat(snapshot["timestamp"].replace("Z", "+00:00")).timestamp()


class Victim(threading.Thread):
    """Runs episodes until stop() is called. Everything it decides comes from its seed."""

    def __init__(self, number, seed, directory, agent, faults):
        super().__init__(name=f"victim-{number}", daemon=True)
        self.dice = random.Random(f"{seed}/{number}")
        self.directory = directory
        self.agent = agent
        self.faults = faults
        self.binaries = {kind: self.install(kind, source)
                         for kind, source in (("graph", harness.ENGINE), ("script", harness.SCRIPTED))}
        self.targets = {kind: f"{self.name}-{kind}" for kind in self.binaries}
        self.seen = {}
        self.problems = []
        self.queries = self.exact = self.bounded = self.difference = 0
        self.begun = None  # when it had shown each of its types
        self.child = None
        self._stop_now = threading.Event()

    def install(self, kind, source):
        """A new file of that name, as a package's upgrade puts it there."""
        path = self.directory / f"{self.name}-{kind}"
        fresh = harness.copy_of_engine(self.directory, f"{path.name}.new", source)
        os.rename(fresh, path)
        return path

    def stop(self):
        self._stop_now.set()

    def run(self):
        try:
            self.begin()
            while not self._stop_now.is_set():
                self.episode(self.dice.choice(EPISODES))
        except Exception as problem:  # pylint: disable=broad-except
            self.problems.append(f"{self.name}: {type(problem).__name__}: {problem}")
        finally:
            if self.child:
                self.child.kill()

    def begin(self):
        """Every query type of this victim once, nested where its episodes nest it: one that comes later leaked."""
        types = ("load", "crowd", "fork", "vfork", "clone", "inherited")
        self.launch("script", *(word for name in types for word in ("query", name, 1)), "throws", 1)
        self.good_end()
        self.launch("graph", "--mode", "nested", "--rate", 0, "--queries", 1000, "--data-dir", self.directory)
        self.good_end()
        self.seen = {kind: figures_of(self.settled(kind, time.time())) for kind in self.targets}
        self.begun = time.monotonic()

    def episode(self, play):
        kind, truth = play(self)
        before, after = self.seen[kind], figures_of(self.settled(kind, time.time()))
        self.seen[kind] = after
        total, failed, abandoned = (now - then for now, then in zip(after[:3], before))
        reasons = after[3] - before[3]
        lost = reasons.total()
        self.queries += total
        self.exact += truth.slack == 0
        self.bounded += truth.slack > 0
        allowed = range(truth.slack + 1)
        if truth.slack == 0:
            self.difference += truth.total - total - lost
        wrong = lost != 0 or total - truth.total not in allowed or failed - truth.failed not in allowed
        if truth.abandoned is not None:
            wrong |= abs(abandoned - truth.abandoned) not in allowed
        if wrong:
            self.problems.append(f"{self.name} {play.__name__}: by its record {truth}, counted {total} total, "
                                 f"{failed} failed, {abandoned} abandoned, lost {dict(reasons)}: "
                                 f"{self.child.describe()}")

    def settled(self, kind, ended):
        """The first snapshot whose interval begins after that time."""
        def read():
            snapshot = self.agent.snapshot(self.targets[kind])
            return snapshot if snapshot and taken_at(snapshot) - snapshot["interval_seconds"] > ended else None
        return harness.wait_until(read, SETTLE_SECONDS, f"a snapshot of {self.targets[kind]} after its episode")

    def launch(self, kind, *words):
        self.child = harness.Child([self.binaries[kind], *words])

    def good_end(self, seconds=PATIENCE_SECONDS):
        code = self.child.wait(seconds)
        assert code == 0, f"the engine failed: {self.child.describe()}"

    def rest(self, least, most):
        """Some time between, or less if the soak ends."""
        self._stop_now.wait(self.dice.uniform(least, most))

    # ---- episodes: each returns the target's kind and the truth ----

    def graph_load(self, *more, seconds=4):
        mode = self.dice.choice(MODES)
        words = ["--mode", mode, "--threads", self.dice.choice((1, 2, 4)), "--rate", 0, "--duration", seconds, "--seed",
                 self.dice.randrange(1 << 20), "--workload", self.dice.choice(("mixed", "tiny")),
                 "--data-dir", self.directory]
        if mode in ("blocking", "nested"):
            words += self.dice.choice(((), ("--longjmp", 5), ("--exit-threads", 1)))
        self.launch("graph", *words, "--fault", f"errors:{self.dice.randrange(20)}@0", *more)

    def graph_truth(self):
        """Nested queries are in no total."""
        rows = [re.match(r"(\w+) +count +(\d+) +errors +(\d+)", line) for line in self.child.err]
        outer = [(int(row[2]), int(row[3])) for row in rows if row and row[1] != "lookup"]
        left = next((line for line in self.child.err if line.startswith("abandoned")), "")
        return "graph", Truth(sum(count for count, _ in outer), sum(failed for _, failed in outer),
                              sum(int(number) for number in re.findall(r"\d+", left)))

    def runs_to_its_end(self):
        self.graph_load()
        self.good_end()
        return self.graph_truth()

    def is_terminated(self):
        self.faults.add("victim terminated")
        self.graph_load(seconds=60)
        self.rest(1, 4)
        self.child.signal(signal.SIGTERM)
        self.good_end()
        return self.graph_truth()

    def is_stopped(self):
        self.graph_load()
        for _ in range(3):
            self.rest(0.2, 0.8)
            self.faults.add("victim stopped")
            self.child.signal(signal.SIGSTOP)
            self.rest(0.1, 1)
            self.child.signal(signal.SIGCONT)
        self.good_end()
        return self.graph_truth()

    def hangs(self):
        self.faults.add("victim hangs")
        self.graph_load("--fault", "hang@1+1")
        self.good_end()
        return self.graph_truth()

    def forks_and_spawns(self):
        self.faults.add("fork storm")
        self.graph_load("--forks", 500, "--spawn", 50)
        self.good_end()
        return self.graph_truth()

    def is_upgraded(self):
        """The agent finds a new file at its next look; a package's own restart takes longer."""
        self.faults.add("binary replaced")
        self.install("graph", harness.ENGINE)
        self.graph_load("--delay", 3 * REFRESH_SECONDS, seconds=2)
        self.good_end()
        return self.graph_truth()

    def shared(self, name="counts"):
        path = self.directory / f"{self.name}-{name}"
        path.unlink(missing_ok=True)
        return path

    @staticmethod
    def shared_truth(*paths):
        words = [struct.unpack(f"<{path.stat().st_size // 8}Q", path.read_bytes()) for path in paths]
        begun, ended, failed = (sum(sum(one[at::8]) for one in words) for at in range(3))
        return begun, Truth(ended, failed)

    def is_killed(self):
        self.faults.add("victim killed")
        threads, path = 2, self.shared()
        self.launch("script", "load", path, threads, 60_000)
        harness.wait_until(lambda: path.exists() and path.stat().st_size, PATIENCE_SECONDS, "its record")
        self.rest(0.5, 3)
        self.child.signal(signal.SIGKILL)
        assert self.child.wait() == -signal.SIGKILL, self.child.describe()
        _, truth = self.shared_truth(path)
        truth.slack = threads
        return "script", truth

    def execs(self):
        self.faults.add("victim execs")
        first, second = self.shared("first"), self.shared("second")
        how = self.dice.choice(("exec", "exec-from-thread"))
        self.launch("script", "load", first, 2, 1000, "crowd", 3, how, "load", second, 2, 1000)
        self.good_end()
        begun, truth = self.shared_truth(first, second)
        assert begun == truth.total
        truth.abandoned = 3
        return "script", truth

    def has_children(self):
        self.faults.add("children with queries")
        self.launch("script", "families", "fork", 200, 50, "families", "vfork", 50, 20, "families", "clone",
                    50, 20, "inherit")
        self.good_end()
        return "script", Truth(200 * 50 + 2 * 50 * 20 + 1)

    def throws(self):
        self.faults.add("exceptions")
        self.launch("script", "throws", 4_000)
        self.good_end()
        return "script", Truth(2 * 4_000, 2 * 4_000)


EPISODES = (Victim.runs_to_its_end, Victim.is_terminated, Victim.is_stopped, Victim.hangs, Victim.forks_and_spawns,
            Victim.is_upgraded, Victim.is_killed, Victim.execs, Victim.has_children, Victim.throws)
