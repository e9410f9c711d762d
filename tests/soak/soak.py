#!/usr/bin/env python3
"""Keeps a service and its victims under random faults, and says whether it stayed whole: for every victim the engine's
record, less what is counted, less what is said to be lost is 0; memory, descriptors, threads, map entries and the loop's
usual lag are flat; and in a soak of ten minutes no kind of fault was left out.

The same seed makes the same decisions; the machine's own timing differs. Exit code 0: whole; 1: not, and why."""

import argparse
import collections
import contextlib
import json
import math
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
from victims import FAULTS, PATIENCE_SECONDS, Victim

VICTIMS = 3
LAST_SECONDS = 15  # of the time, in which the last episodes end and everything settles
WARM_UP = 0.4      # share of the time in which caches and history's rings fill
MAP_EVERY = 5      # seconds between two looks into the kernel's tables, which takes a program each, and at the lag
GROWTH_MIB = 1.0
CACHE_MIB = 4      # SQLite's own, which fills in the first minutes: in a short soak after the warm-up too
WARM_SECONDS = 280
LAG_GROWTH, LAG_MS = 3, 50  # the lag may become so many times the early one, and be so much whatever that was
EVERY_FAULT_SECONDS = 600   # from here on each kind of fault comes many times
MAPS = ("processes", "detached", "types")

# lag_ms: the median of the readings since the look before, None where there was none. The agent's own p99 is over its last
# 300 readings, two minutes and a half, of which some were late because it had been stopped: that says how long it was stopped.
Sample = collections.namedtuple("Sample", "second rss_mib anonymous_mib descriptors threads processes detached types "
                                          "lag_ms missed queries faults")


def descriptors(pid):
    """What a process has open, by kind: numbers that tell one file from another are left out."""
    kinds = collections.Counter()
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            kinds[re.sub(r"\d+", "N", os.readlink(path))] += 1
    return kinds


def lag_counts(text):
    """{seconds: readings that were no later}, of an answer of /metrics."""
    found = re.findall(r'^\w+_agent_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', text, re.M)
    return {float(bound): float(count) for bound, count in found}


def median_of(before, now):
    """The bound of the median's bucket in seconds, of what came between two such counts; None if nothing did."""
    counts = {bound: count - before.get(bound, 0) for bound, count in now.items()}
    most = max(counts.values(), default=0)
    return min(bound for bound, count in counts.items() if 2 * count >= most) if most else None


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
        self.lags, self.lag_ms = {}, None

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
        self.begin = begin = time.monotonic()
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
            self.look_at_lag()
        figures = self.figures()
        self.samples.append(Sample(round(second, 1), mib("VmRSS"), mib("RssAnon"),
                                   descriptors(self.agent.pid).total(), int(status["Threads"]),
                                   *self.entries.values(), self.lag_ms, figures.get("missed_intervals", 0),
                                   sum(victim.queries for victim in self.victims), sum(self.faults.counts.values())))
        if len(self.samples) % 60 == 0:
            print("soak: " + self.line(self.samples[-1]), flush=True)

    def look_at_lag(self):
        """Of one that is stopped nothing is known until the next look."""
        with contextlib.suppress(OSError):
            before, self.lags = self.lags, lag_counts(self.agent.text("/metrics"))
            median = median_of(before, self.lags)
            self.lag_ms = None if median is None else 1000 * median

    def figures(self):
        try:
            return self.agent.json("/api/v1/agent")
        except OSError:
            return {}  # it is stopped: the other figures are read from outside

    @staticmethod
    def line(sample):
        lag = "unknown" if sample.lag_ms is None else f"{sample.lag_ms:.2f} ms"
        return (f"{sample.second:6.0f} s, {sample.queries} queries, {sample.faults} faults; "
                f"RSS {sample.rss_mib:.2f} MiB, {sample.descriptors} descriptors, map entries {sample.processes} "
                f"processes {sample.detached} detached {sample.types} types, lag {lag}")

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
        if not self.problems:  # which end it early
            self.judge_what_was_tried()
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
        """The samples just after the warm-up, the maps looked at since each victim had shown each of its types; and the last
        ones."""
        begun = max((victim.begun - self.begin for victim in self.victims if victim.begun), default=0)
        least = max(WARM_UP * self.samples[-1].second, begun + MAP_EVERY)
        warm = [sample for sample in self.samples if sample.second >= least] or self.samples[-1:]
        size = max(5, len(warm) // 5)
        return warm[:size], warm[-size:]

    def judge_growth(self):
        early, late = self.window()
        def middle(samples, field):
            known = [value for sample in samples if (value := getattr(sample, field)) is not None]
            return statistics.median(known) if known else math.nan
        self.growth = middle(late, "rss_mib") - middle(early, "rss_mib")
        self.ends = {field: (middle(early, field), middle(late, field))
                     for field in ("rss_mib", "anonymous_mib", "descriptors", "threads", "types", "lag_ms")}
        limit = GROWTH_MIB + (CACHE_MIB if early[0].second < WARM_SECONDS else 0)
        if self.growth >= limit:
            self.problems.append(f"resident memory grew by {self.growth:.2f} MiB after the warm-up, {limit} may be: "
                                 f"{self.ends}")
        self.judge_counts(early, late)
        before, after = self.ends["lag_ms"]
        if not after <= max(LAG_GROWTH * before, LAG_MS):  # nor where one of them is unknown
            self.problems.append(f"readings became late: by {before:.2f} ms after the warm-up, by {after:.2f} ms in the end")

    def judge_counts(self, early, late):
        """What comes and goes is judged by its median; a type stays, so that each one more counts."""
        before, after = self.ends["threads"]
        if after > before:
            self.problems.append(f"threads became more: {before:g} after the warm-up, {after:g} in the end")
        before, after = (max(sample.types for sample in samples) for samples in (early, late))
        if after > before:
            self.problems.append(f"entries of the map of types became more: {before} after the warm-up, {after} in the end")

    def judge_what_was_tried(self):
        """Where nothing was done, nothing is wrong either."""
        self.problems += [f"{victim.name}: no episode was compared exactly" for victim in self.victims if not victim.exact]
        if self.seconds < EVERY_FAULT_SECONDS:
            return
        never = [name for name in (*self.adversary.faults_there_are(), *FAULTS) if not self.faults.counts[name]]
        if never:
            self.problems.append(f"never injected: {', '.join(never)}")

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
    """Runs one; prints its figures. Returns it, as it was in the end. record: a file for the samples, as JSON lines."""
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
        return one


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="which decisions (other ones each time)")
    parser.add_argument("--record", help="write a line of JSON for each second to this file")
    arguments = parser.parse_args()
    if arguments.minutes < 1:
        parser.error("--minutes: one at least, or nothing is ever warm")
    harness.require_kernel()
    sys.exit(1 if soak(60 * arguments.minutes, arguments.seed, arguments.record).problems else 0)


if __name__ == "__main__":
    main()
