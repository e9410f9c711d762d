"""Engines that gave up most system calls, and engines in namespaces of their own. A probe must need nothing that they
have not: under seccomp a single system call too many kills the process."""

import pathlib
import re
import resource
import subprocess

import fault_harness
import harness

QUERIES = 500
WAITS = ("sleeps", 5, 0, 20)  # queries that leave the processor
NAMESPACES = ("--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child")
STRICT, FILTER = "1", "2"  # as /proc calls them


class Confined(harness.Case):
    def go_on(self, child):
        """Ends the word `wait`."""
        child.process.stdin.write("x")
        child.process.stdin.close()

    def sandboxed(self, mode, *words, hold=False):
        """A scripted engine that gives up its system calls: when it is released, or before this returns."""
        words = ["sandbox", mode, "wait", "query", "in", QUERIES, *words]
        if hold:
            return self.scripted(*words, stdin=subprocess.PIPE)
        engine = harness.Child([harness.SCRIPTED, *words], stdin=subprocess.PIPE)
        self.addCleanup(engine.kill)
        status = pathlib.Path(f"/proc/{engine.pid}/status")
        number = STRICT if mode == "strict" else FILTER
        confined = lambda: re.search(rf"^Seccomp:\t{number}$", status.read_text(), re.M)
        harness.wait_until(confined, harness.PATIENCE_SECONDS, lambda: engine.describe())
        return engine

    def test_a_filter(self):
        for when in ("before", "after"):
            for way in ("auto", "perf"):
                with self.subTest(attached=when, uprobes=way):
                    engine = self.sandboxed("filter", *WAITS, hold=when == "before")
                    watch = self.watch("--pid", engine.pid, "--uprobes", way)
                    if when == "before":
                        engine.release()
                    self.go_on(engine)
                    self.assertEqual(engine.wait(), 0, engine.describe())
                    summary = next(iter(watch.end().values()))
                    self.assertEqual(fault_harness.counts(summary), {"in": QUERIES, "sleeps": 20})
                    self.assertEqual(harness.lost(summary), {})

    def test_strict_mode_is_refused(self):
        """In it not even the clock may be read, where that is the processor's counter: a watched query would die of it."""
        engine = self.sandboxed("strict")
        for how in (("--pid", str(engine.pid)), ("--exe", harness.SCRIPTED), ("--name", harness.SCRIPTED.name)):
            with self.subTest(how):
                done = subprocess.run([harness.OUTRIDER, "watch", *how, "--duration", "1s"], capture_output=True, text=True,
                                      timeout=harness.PATIENCE_SECONDS, check=False)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(f"thread {engine.pid} of process {engine.pid}", done.stderr)
                self.assertIn("seccomp's strict mode", done.stderr)
        doctor = subprocess.run([harness.OUTRIDER, "doctor", "--pid", str(engine.pid)], capture_output=True, text=True,
                                timeout=harness.PATIENCE_SECONDS, check=False)
        self.assertEqual(doctor.returncode, 1, doctor.stdout)
        self.assertIn("seccomp's strict mode", doctor.stdout)
        self.go_on(engine)
        self.assertEqual(engine.wait(), 0, engine.describe())

    def test_the_sandbox_is_one(self):
        """What is none of the calls that are left kills the process: else the test above would prove nothing."""
        for mode, number in (("strict", 9), ("filter", 31)):
            engine = harness.Child([harness.SCRIPTED, "sandbox", mode, "inherit"],
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
            self.addCleanup(engine.kill)
            self.assertEqual(engine.wait(), -number, engine.describe())

    def namespaced(self, *namespaces, binary=harness.SCRIPTED):
        """(what waits for the engine, the engine's process id out here). It waits for a byte before its first query."""
        outer = harness.Child(["unshare", *namespaces, binary, "wait", "query", "in", QUERIES, *WAITS, "families",
                               "fork", 5, 10], stdin=subprocess.PIPE)
        self.addCleanup(outer.kill)
        def inner():
            assert outer.running, outer.describe()
            children = pathlib.Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            is_engine = lambda child: pathlib.Path(f"/proc/{child}/exe").readlink() == binary
            return next((int(child) for child in children if is_engine(child)), None)
        return outer, harness.wait_until(inner, harness.PATIENCE_SECONDS, lambda: outer.describe())

    def assert_counted(self, summary):
        self.assertEqual(fault_harness.counts(summary), {"in": QUERIES, "sleeps": 20, "fork": 50})
        self.assertEqual(harness.lost(summary), {})
        # Another clock in there would give durations of days, or none.
        mean = summary["query_metrics"]["query_type_breakdown"]["sleeps"]["avg_response_time_seconds"]
        self.assertTrue(0.005 <= mean < 1, mean)
        waits = summary["query_metrics"]["waits"]
        self.assertTrue(20 * 0.004 <= waits["sleep_seconds"] < 20, waits)

    def require(self, *namespaces):
        done = subprocess.run(["unshare", *namespaces, "true"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"unshare cannot make a mount namespace and its like here: {done.stderr.strip()}")

    def test_all_namespaces(self):
        self.require(*NAMESPACES)
        for how in ("--pid", "--exe"):
            with self.subTest(how):
                binary = harness.copy_of_engine(self.directory, "inside" + how, source=harness.SCRIPTED)
                if how == "--exe":  # attached before there is such a process
                    watch = self.watch("--exe", binary)
                engine, pid = self.namespaced(*NAMESPACES, binary=binary)
                self.assertNotEqual(pathlib.Path(f"/proc/{pid}/ns/pid").readlink(),
                                    pathlib.Path("/proc/self/ns/pid").readlink())
                if how == "--pid":
                    watch = self.watch("--pid", pid)
                self.go_on(engine)
                self.assertEqual(engine.wait(), 0, engine.describe())
                self.assert_counted(next(iter((watch.end() if how == "--pid" else watch.stop()).values())))

    def test_a_clock_of_its_own(self):
        """The engine's monotonic clock is a day ahead of the kernel's, or was just begun anew."""
        uptime = int(float(pathlib.Path("/proc/uptime").read_text().split()[0]))
        for offset in (86_400, -uptime):
            with self.subTest(offset):
                namespaces = ("--fork", "--time", f"--monotonic={offset}")
                self.require(*namespaces)
                engine, pid = self.namespaced(*namespaces)
                watch = self.watch("--pid", pid)
                self.go_on(engine)
                self.assertEqual(engine.wait(), 0, engine.describe())
                self.assert_counted(next(iter(watch.end().values())))


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
