"""What the soak does to the agent and its surroundings, one fault at a time, at random moments."""

import collections
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading

import harness

DISK_MIB = 64


class Counter:
    """Faults injected, by name; used by many threads."""

    def __init__(self):
        self.counts = collections.Counter()
        self._lock = threading.Lock()

    def add(self, name):
        with self._lock:
            self.counts[name] += 1


class SmallDisk:
    """A file system that can be filled, with the history on it; a plain directory where none may be mounted."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "outrider-soak", path],
                              capture_output=True, text=True, check=False)
        self.mounted = done.returncode == 0
        if not self.mounted:
            print(f"soak: no disk is filled, for no tmpfs can be mounted: {done.stderr.strip()}", flush=True)

    def fill(self):
        path = self.path / "full"
        with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass
        return path

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.path], check=True)
            self.mounted = False


class Adversary(threading.Thread):
    """Injects faults until stop() is called, and then leaves everything as it should be."""

    def __init__(self, seed, soak, faults):
        super().__init__(name="adversary", daemon=True)
        self.dice = random.Random(f"{seed}/adversary")
        self.soak = soak
        self.faults = faults
        self.problems = []
        self._stop_now = threading.Event()

    def stop(self):
        self._stop_now.set()

    def acts(self):
        acts = [self.stop_agent, self.reload, self.reload_nonsense, self.take_directory, self.second_agent,
                self.bad_client]
        return [*acts, self.fill_disk] if self.soak.disk.mounted else acts

    @staticmethod
    def name_of(act):
        return act.__name__.replace("_", " ")

    def faults_there_are(self):
        return [self.name_of(act) for act in self.acts()]

    def run(self):
        acts = self.acts()
        try:
            while not self._stop_now.wait(self.dice.uniform(0.5, 3)):
                act = self.dice.choice(acts)
                self.faults.add(self.name_of(act))
                act()
        except Exception as problem:  # pylint: disable=broad-except
            self.problems.append(f"adversary: {type(problem).__name__}: {problem}")

    def rest(self, least, most):
        self._stop_now.wait(self.dice.uniform(least, most))

    def stop_agent(self):
        self.soak.agent.signal(signal.SIGSTOP)
        self.rest(0.2, 3)
        self.soak.agent.signal(signal.SIGCONT)

    def reload(self):
        """Exports that change restart their sinks; labels change while their target goes on."""
        self.soak.configure(variant=self.dice.randrange(3))
        self.soak.agent.signal(signal.SIGHUP)
        self.rest(0.2, 1)

    def reload_nonsense(self):
        self.soak.config.write_text("[nonsense]\n", encoding="utf-8")
        self.soak.agent.signal(signal.SIGHUP)
        self.rest(0.2, 1)

    def take_directory(self):
        shutil.rmtree(self.soak.outputs, ignore_errors=True)
        self.rest(0.2, 3)
        self.soak.outputs.mkdir(exist_ok=True)

    def fill_disk(self):
        full = self.soak.disk.fill()
        self.rest(0.5, 3)
        full.unlink()

    def second_agent(self):
        """Another watcher of the same engines comes and is killed."""
        victim = self.dice.choice(self.soak.victims)
        way = self.dice.choice(("auto", "perf"))
        watch = harness.Child([harness.OUTRIDER, "watch", "--exe", victim.binaries["graph"], "--uprobes", way])
        self.rest(0.1, 2)
        watch.kill()

    def bad_client(self):
        """Sends rubbish, or half a request, and goes away; or does not go away for a while."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.soak.port), timeout=5) as client:
            rubbish = (b"GET /metrics HT", b"\0" * 100, os.urandom(5000), b"GET / HTTP/1.1\r\nA: b\r\n")
            client.sendall(self.dice.choice(rubbish))
            self.rest(0.1, 4)
