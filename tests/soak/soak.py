#!/usr/bin/env python3
"""Keeps a service and its victims under random faults, and says whether it stayed whole: for every victim the engine's
record, less what is counted, less what is said to be lost is 0; memory, descriptors and map entries are flat.

The same seed makes the same decisions; the machine's own timing differs. Exit code 0: whole; 1: not, and why."""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(os.environ.get("OUTRIDER_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import harness
import service_harness
from adversary import Adversary, Counter, SmallDisk
from victims import PATIENCE_SECONDS, Victim

VICTIMS = 3
LAST_SECONDS = 15  # of the time, in which the last episodes end and everything settles
WARM_UP = 0.4      # share of the time in which caches and history's rings fill
MAP_EVERY = 5      # seconds between two looks into the kernel's tables, which takes a program each
GROWTH_MIB = 1.0
CACHE_MIB = 4      # SQLite's own, which fills in the first minutes: in a short soak after the warm-up too
WARM_SECONDS = 280
MAPS = ("processes", "detached", "types")

Sample = collections.namedtuple("Sample", "second rss_mib anonymous_mib descriptors threads processes detached types "
                                          "lag_ms missed queries faults")


def descriptors(pid):
    """What a process has open, by kind: numbers that tell one file from another are left out."""
    kinds = collections.Counter()
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            kinds[re.sub(r"\d+", "N", os.readlink(path))] += 1
    return kinds


class Soak:
    def __init__(self, seconds, seed, directory):
        self.seconds, self.seed, self.directory = seconds, seed, directory
        self.port = service_harness.free_port()
        self.config = directory / "outrider.toml"
        self.outputs = directory / "outputs"
        self.outputs.mkdir()
        self.faults = Counter()
        self.disk = SmallDisk(directory / "disk")
        self.agent = None
        self.victims, self.samples, self.problems = [], [], []
        self.map_ids, self.entries = {}, dict.fromkeys(MAPS)

    def configure(self, variant=0):
        """Three configurations that differ in exports and labels, and in nothing that an engine could notice."""
        text = f"""
[agent]
collection_interval = "500ms"
max_overhead = "off"
[store]
path = "{self.disk.path}/history.db"
max_size = "32MiB"
[http]
port = {self.port}
[export]
export_prometheus = true
[export.textfile]
path = "{self.outputs}/{variant}.prom"
[export.influxdb]
url = "http://127.0.0.1:9"
batch = 200
queue = 400
[log]
level = "error"
"""
        for victim in self.victims:
            for kind, name in victim.targets.items():
                text += f"""[[targets]]
exe = "{victim.binaries[kind]}"
display_name = "{name}"
labels = {{ variant = "{variant}" }}
"""
        self.config.write_text(text, encoding="utf-8")

    def snapshot(self, target):
        """For the victims: a service that is stopped, or busy with a reload, is asked again."""
        try:
            return self.agent.snapshot(target)
        except OSError:
            return None

    def start(self):
        self.victims = [Victim(i, self.seed, self.directory, self, self.faults) for i in range(VICTIMS)]
        self.configure()
        self.agent = service_harness.Agent(self.config, self.port)
        self.links = harness.bpf_links_of(self.agent.pid)
        assert self.links, self.agent.describe()
        self.map_ids = {name: harness.bpf_map_id(self.agent.pid, name) for name in MAPS}
        self.adversary = Adversary(self.seed, self, self.faults)
        self.at_rest = self.rest_of(3)

    def rest_of(self, seconds):
        """What it has open while nothing happens: in some intervals one more than in others."""
        most, until = collections.Counter(), time.monotonic() + seconds
        while time.monotonic() < until:
            most |= descriptors(self.agent.pid)
            time.sleep(0.1)
        return most

    def run(self):
        begin = time.monotonic()
        self.start()
        for thread in (*self.victims, self.adversary):
            thread.start()
        while (second := time.monotonic() - begin) < self.seconds - LAST_SECONDS and not self.broken():
            self.sample(second)
            time.sleep(1)
        for thread in (*self.victims, self.adversary):
            thread.stop()
        self.adversary.join(60)
        for victim in self.victims:
            victim.join(2 * PATIENCE_SECONDS)
        self.judge(begin)
        return time.monotonic() - begin

    def broken(self):
        """The first problem ends it: what comes after would hide it."""
        return not self.agent.running or any(one.problems for one in (*self.victims, self.adversary))

    # ---- what is recorded ----

    def sample(self, second):
        lines = pathlib.Path(f"/proc/{self.agent.pid}/status").read_text(encoding="ascii").splitlines()
        status = dict(line.split(":", 1) for line in lines if ":" in line)
        mib = lambda key: int(status[key].split()[0]) / 1024
        if not self.samples or second - self.looked >= MAP_EVERY:
            self.looked = second
            self.entries = {name: len(harness.bpftool("map", "dump", "id", number))
                            for name, number in self.map_ids.items()}
        figures = self.figures()
        self.samples.append(Sample(round(second, 1), mib("VmRSS"), mib("RssAnon"),
                                   descriptors(self.agent.pid).total(), int(status["Threads"]),
                                   *self.entries.values(), 1000 * (figures.get("loop_lag_p99_seconds") or 0),
                                   figures.get("missed_intervals", 0), sum(victim.queries for victim in self.victims),
                                   sum(self.faults.counts.values())))
        if len(self.samples) % 60 == 0:
            print("soak: " + self.line(self.samples[-1]), flush=True)

    def figures(self):
        try:
            return self.agent.json("/api/v1/agent")
        except OSError:
            return {}  # it is stopped: the other figures are read from outside

    @staticmethod
    def line(sample):
        return (f"{sample.second:6.0f} s, {sample.queries} queries, {sample.faults} faults; "
                f"RSS {sample.rss_mib:.2f} MiB, {sample.descriptors} descriptors, map entries {sample.processes} "
                f"processes {sample.detached} detached {sample.types} types, lag p99 {sample.lag_ms:.2f} ms")

    # ---- what is judged ----

    def judge(self, begin):
        for one in (*self.victims, self.adversary):
            self.problems += one.problems
            if one.is_alive():
                self.problems.append(f"{one.name} does not end")
        if not self.agent.running:
            self.problems.append(f"the service ended: {self.agent.describe()}")
            return
        self.configure()
        self.outputs.mkdir(exist_ok=True)
        self.agent.signal(signal.SIGHUP)
        self.judge_tables()
        self.judge_descriptors()
        self.sample(time.monotonic() - begin)
        self.judge_growth()
        self.links |= harness.bpf_links_of(self.agent.pid)
        try:
            self.agent.end()
            harness.assert_links_gone(self.links)
        except AssertionError as problem:
            self.problems.append(str(problem))

    def expect(self, condition, what):
        """As wait_until, and the soak goes on to its other judgements."""
        try:
            harness.wait_until(condition, 30, what)
        except AssertionError as problem:
            self.problems.append(str(problem))

    def judge_tables(self):
        """Nobody is left: what is still in a table leaked."""
        for name in ("processes", "detached"):
            self.expect(lambda: not harness.bpftool("map", "dump", "id", self.map_ids[name]),
                        f"{name} has stale entries")

    def judge_descriptors(self):
        """The same state as before the first fault: so is what it has open."""
        more = lambda: descriptors(self.agent.pid) - self.at_rest
        self.expect(lambda: not more(), lambda: f"more descriptors than at rest: {dict(more())}")

    def window(self):
        """The samples just after the warm-up, and the last ones."""
        warm = [sample for sample in self.samples if sample.second >= WARM_UP * self.samples[-1].second]
        size = max(5, len(warm) // 5)
        return warm[:size], warm[-size:]

    def judge_growth(self):
        early, late = self.window()
        middle = lambda samples, field: statistics.median(getattr(sample, field) for sample in samples)
        self.growth = middle(late, "rss_mib") - middle(early, "rss_mib")
        self.ends = {field: (middle(early, field), middle(late, field))
                     for field in ("rss_mib", "anonymous_mib", "descriptors", "threads", "types", "lag_ms")}
        limit = GROWTH_MIB + (CACHE_MIB if early[0].second < WARM_SECONDS else 0)
        if self.growth >= limit:
            self.problems.append(f"resident memory grew by {self.growth:.2f} MiB after the warm-up, {limit} may be: "
                                 f"{self.ends}")

    def report(self, took):
        counted = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.counts.items()))
        queries = sum(victim.queries for victim in self.victims)
        print(f"soak: {took / 3600:.3f} h with seed {self.seed}, {queries} queries, "
              f"{sum(self.faults.counts.values())} faults ({counted})")
        for victim in self.victims:
            print(f"soak: {victim.name}: {victim.queries} queries, record - ours - losses = {victim.difference} in "
                  f"{victim.exact} episodes; within a query a thread in {victim.bounded} that were killed")
        if self.samples and hasattr(self, "ends"):
            said = ", ".join(f"{field} {first:.2f} -> {last:.2f}" for field, (first, last) in self.ends.items())
            print(f"soak: growth of RSS after the warm-up {self.growth:+.2f} MiB; {said}; "
                  f"{self.samples[-1].missed} intervals missed while stopped")
        for problem in self.problems:
            print(f"soak: FAILED: {problem}")

    def close(self):
        for thread in (*self.victims, getattr(self, "adversary", None)):
            if thread:
                thread.stop()
                if thread.is_alive():
                    thread.join(30)
        for victim in self.victims:
            if victim.child:
                victim.child.kill()
        if self.agent:
            self.agent.kill()
        self.disk.remove()


def soak(seconds, seed, record=None):
    """Runs one; prints its figures. Returns what was wrong. record: a file for the samples, as JSON lines."""
    with tempfile.TemporaryDirectory(prefix="outrider-soak-", dir="/var/tmp") as directory:
        one = Soak(seconds, seed, pathlib.Path(directory))
        took = 0
        try:
            took = one.run()
        finally:
            one.close()
            one.report(took)
        if record:
            lines = (json.dumps(sample._asdict()) for sample in one.samples)
            pathlib.Path(record).write_text("\n".join(lines) + "\n", encoding="ascii")
        return one.problems


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="which decisions (other ones each time)")
    parser.add_argument("--record", help="write a line of JSON for each second to this file")
    arguments = parser.parse_args()
    if arguments.minutes < 1:
        parser.error("--minutes: one at least, or nothing is ever warm")
    harness.require_kernel()
    sys.exit(1 if soak(60 * arguments.minutes, arguments.seed, arguments.record) else 0)


if __name__ == "__main__":
    main()
