"""Bad input of every kind: one clear sentence with the next step on stderr, exit code 1 (it could not be done) or 2 (it
was asked wrongly), nothing on stdout, nothing crashed, no probe left behind."""

import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess

import harness

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NO_SUCH_PID = 4_194_303


def orphaned_links(before):
    """Links that are new and that no running process holds: other tests have theirs."""
    new = harness.bpf_links() - before
    return new - set().union(*(harness.bpf_links_of(entry.name) for entry in pathlib.Path("/proc").glob("[0-9]*")))


class BadInput(harness.Case):
    def run_outrider(self, *arguments, prefix=()):
        return subprocess.run([*prefix, harness.OUTRIDER, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=harness.PATIENCE_SECONDS,
                              check=False)

    def assert_refused(self, code, says, *arguments, prefix=()):
        """The last thing said is what is wrong (`says`, a pattern) and what to do."""
        before = harness.bpf_links()
        done = self.run_outrider(*arguments, prefix=prefix)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, says)
        errors = [line for line in done.stderr.splitlines() if " info " not in line]
        self.assertLessEqual(len(errors), 2, done.stderr)
        self.assertNotRegex(done.stderr, r"terminate called|Sanitizer|Assertion|libbpf:")
        harness.wait_until(lambda: not orphaned_links(before), 20, "a probe is left behind")

    def watch_refused(self, code, says, *arguments, **options):
        self.assert_refused(code, says, "watch", "--duration", "1s", *arguments, **options)

    def idle_process(self):
        sleeper = harness.Child(["sleep", "60"])
        self.addCleanup(sleeper.kill)
        return sleeper.pid

    def test_usage(self):
        for says, arguments in ((r"[Ss]ubcommand.*\n.*--help", []),
                                (r"(?s)--pid,--exe,--name.*--help", ["watch"]),
                                (r"(?s)--pid.*abc.*--help", ["watch", "--pid", "abc"]),
                                (r"(?s)--pid.*-1.*--help", ["watch", "--pid", "-1"]),
                                (r"'soon' is not a duration: write", ["watch", "--pid", 1, "--interval", "soon"]),
                                (r"'-1s' is not a duration: write", ["watch", "--pid", 1, "--duration", "-1s"]),
                                (r"100ms", ["watch", "--pid", 1, "--interval", "10ms"]),
                                (r"--types-by: keywords are anybody's",
                                 ["watch", "--pid", 1, "--types", "keyword", "--types-by", "user"]),
                                (r"(?s)--mode.*auto,full,light.*--help", ["watch", "--pid", 1, "--mode", "fast"]),
                                (r"(?s)--format.*table,json", ["watch", "--pid", 1, "--format", "xml"]),
                                (r"'lots' is not a budget: write a percentage", ["watch", "--pid", 1, "--max-overhead",
                                                                                 "lots"]),
                                (r"'-3%' is not a budget", ["watch", "--pid", 1, "--max-overhead", "-3%"]),
                                (r"end in \.prom; give", ["watch", "--pid", 1, "--textfile", "/tmp/metrics.txt"])):
            with self.subTest(arguments):
                self.assert_refused(2, says, *arguments)

    def test_no_such_target(self):
        self.watch_refused(1, f"no process has PID {NO_SUCH_PID}; `ps`", "--pid", NO_SUCH_PID)
        self.watch_refused(1, r"/no/such/engine: No such file or directory; give", "--exe", "/no/such/engine")
        self.watch_refused(1, r"is not a regular file; name", "--exe", self.directory)
        os.mkfifo(self.directory / "pipe")  # to open it would wait for a writer
        self.watch_refused(1, r"is not a regular file; name", "--exe", self.directory / "pipe")
        kernel_thread = next(path.name for path in pathlib.Path("/proc").glob("[0-9]*")
                             if (path / "comm").read_text().startswith("kthreadd"))
        self.watch_refused(1, r"is a kernel thread.*; name", "--pid", kernel_thread)

    def test_not_an_engine(self):
        self.watch_refused(1, r"sleep\): the binary has no USDT probes; build", "--pid", self.idle_process())
        script = self.directory / "script"
        script.write_text("#!/bin/sh\n")
        self.watch_refused(1, r"is not an ELF file; name the engine's own binary", "--exe", script)
        script.write_text("")
        self.watch_refused(1, r"is not an ELF file; name", "--exe", script)

    def test_not_root(self):
        if not shutil.which("setpriv"):
            self.skipTest("setpriv is not installed (package util-linux)")
        for arguments in (("--pid", self.idle_process()), ("--exe", "/bin/true"), ("--name", "engine")):
            self.watch_refused(1, r"may not be loaded: run as root, or with CAP_BPF", *arguments, prefix=NOBODY)
        done = self.run_outrider("doctor", prefix=NOBODY)
        self.assertEqual(done.returncode, 1)
        self.assertIn("run as root", done.stdout)

    def test_damaged_binaries(self):
        whole = harness.ENGINE.read_bytes()
        broken = self.directory / "broken"
        for length, says in ((40, r"damaged ELF file: its header.*; install"),
                             (5000, r"damaged ELF file: its section table.*; install"),
                             (len(whole) - 64, r"damaged ELF file: its section table.*; install")):
            with self.subTest(length):
                broken.write_bytes(whole[:length])
                self.watch_refused(1, says, "--exe", broken)

    def test_bytes_that_lie(self):
        """Whatever the notes and the section table say, nothing crashes or hangs."""
        whole = bytearray(harness.SCRIPTED.read_bytes())
        notes = whole.index(b"stapsdt\0") - 12
        table = int.from_bytes(whole[40:48], "little")
        broken = self.directory / "broken"
        dice = random.Random(1)
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(dice.randint(1, 6)):
                begin, length = dice.choice(((0, 64), (notes, 400), (table, len(whole) - table)))
                data[begin + dice.randrange(length)] = dice.choice((0, 1, 0x7f, 0x80, 0xff, dice.randrange(256)))
            broken.write_bytes(data)
            done = self.run_outrider("probes", "--exe", broken)
            self.assertIn(done.returncode, (0, 1), f"{done.stderr}\n{self.keep(broken)}")

    def keep(self, path):
        kept = shutil.copy(path, "/var/tmp/outrider-hostile-elf")
        return f"the file is kept as {kept}"

    def test_a_stripped_binary_still_has_its_probes_and_without_notes_it_says_so(self):
        if not shutil.which("strip"):
            self.skipTest("strip is not installed (package binutils)")
        stripped = harness.copy_of_engine(self.directory, "stripped")
        subprocess.run(["strip", stripped], check=True, timeout=60)
        engine = self.engine("--rate", 0, "--queries", 5_000, binary=stripped)
        watch = self.watch("--pid", engine.pid)
        engine.release()
        self.assert_counts_equal(engine.finish(), next(iter(watch.end().values())))
        subprocess.run(["objcopy", "--remove-section", ".note.stapsdt", stripped], check=True, timeout=60)
        self.watch_refused(1, r"has no USDT probes; build", "--exe", stripped)

    def test_profiles(self):
        own = (harness.SOURCE / "usdt" / "profiles" / "outrider.toml").read_text(encoding="utf-8")
        path = self.directory / "mine.toml"
        line = 1 + own[:own.index('role = "query_end"')].count("\n")
        path.write_text(own.replace('role = "query_end"', 'roll = "query_end"'), encoding="utf-8")
        self.watch_refused(2, rf"mine\.toml:{line}: roll: unknown key; did you mean 'role'\?", "--pid", 1, "--profile",
                           path)
        path.write_text(own.replace('role = "query_end"', 'role = "query_and"'), encoding="utf-8")
        self.watch_refused(2, rf"mine\.toml:{line}: role:.*query_end", "--pid", 1, "--profile", path)
        path.write_text("name = \n", encoding="utf-8")
        self.watch_refused(2, r"mine\.toml:1:", "--pid", 1, "--profile", path)
        self.watch_refused(2, r"no profile 'nosuch': choose one of mariadb, outrider, postgresql, redis, sqlite, or give a file", "--pid", 1,
                           "--profile", "nosuch")
        self.watch_refused(2, r"/no/such\.toml: No such file", "--pid", 1, "--profile", "/no/such.toml")
        # A profile for another engine: what it needs is not there.
        self.watch_refused(1, r"'postgresql' does not fit.*postgresql:query__start.*choose another", "--exe",
                           harness.ENGINE, "--profile", "postgresql")

    def test_doctor_says_of_a_profile_what_a_watch_would(self):
        own = (harness.SOURCE / "usdt" / "profiles" / "outrider.toml").read_text(encoding="utf-8")
        path = self.directory / "mine.toml"
        engine = self.engine("--duration", 60)
        for text, code, says in (
                (own, 0, rf"It would work: outrider watch --pid {engine.pid} --profile {path}"),
                # Without a list of what it is for: it was named.
                (re.sub(r"(?m)^detect = .*$", "", own), 0, r"ok +profile +outrider "),
                (own.replace('"query__end"', '"query__finished"'), 1,
                 r"NO +probes +the profile 'outrider' does not fit: .*query__finished"),
                (own.replace("required", "requires"), 2, r"mine\.toml:\d+: requires: unknown key; did you mean 'required'")):
            path.write_text(text, encoding="utf-8")
            done = self.run_outrider("doctor", "--pid", engine.pid, "--profile", path)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            self.assertRegex(done.stdout + done.stderr, says)

    def test_textfiles_that_cannot_be_written(self):
        self.watch_refused(1, r"directory /no/such/place: No such file", "--pid", 1, "--textfile",
                           "/no/such/place/outrider.prom")
        folder = self.directory / "folder.prom"
        folder.mkdir()
        self.watch_refused(1, r"folder\.prom is a directory; give", "--pid", 1, "--textfile", folder)

    def test_a_textfile_that_becomes_unwritable_does_not_end_the_watch(self):
        place = self.directory / "collector"
        place.mkdir()
        engine = self.engine("--rate", 100, "--duration", 30, record=False)
        watch = self.watch("--pid", engine.pid, "--interval", "200ms", "--textfile", place / "outrider.prom")
        engine.release()
        harness.wait_until(lambda: (place / "outrider.prom").exists(), 30, "the textfile")
        shutil.rmtree(place)
        watch.await_line(watch.err, "No such file or directory", 30)
        seen = len(watch.snapshots())
        harness.wait_until(lambda: len(watch.snapshots()) >= seen + 3, 30, "the watch to go on")
        self.assertEqual(sum(" error " in line for line in watch.err), 1, watch.err)  # said once, not each interval
        place.mkdir()
        watch.await_line(watch.err, "is written again", 30)
        self.assertTrue((place / "outrider.prom").exists())
        watch.stop()

    def test_nobody_reads_any_more(self):
        engine = self.engine("--rate", 100, "--duration", 30, record=False)
        engine.release()
        with open("/dev/full", "wb") as full:
            done = subprocess.run([harness.OUTRIDER, "watch", "--pid", str(engine.pid), "--interval", "100ms"],
                                  stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=harness.PATIENCE_SECONDS, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"stdout cannot be written: No space left")
        reader, writer = os.pipe()
        watch = subprocess.Popen([harness.OUTRIDER, "watch", "--pid", str(engine.pid), "--interval", "100ms"],
                                 stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE)
        self.addCleanup(watch.kill)
        os.close(writer)
        os.read(reader, 10)
        os.close(reader)  # as `| head -1` does
        stderr = watch.communicate(timeout=harness.PATIENCE_SECONDS)[1].decode()
        self.assertEqual(watch.returncode, 1, stderr)
        self.assertTrue(engine.running)

    def test_the_target_crashes(self):
        engine = self.engine("--rate", 2000, "--duration", 30, "--fault", "crash@1", record=False,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
        watch = self.watch("--pid", engine.pid)
        engine.release()
        self.assertEqual(engine.wait(), -signal.SIGABRT)
        summary = next(iter(watch.end().values()))
        self.assertGreater(summary["query_metrics"]["total_queries"], 500)
        self.assertEqual(summary["query_metrics"]["current_concurrent"], 0)
        self.assertTrue(re.search("the watched process is gone", "\n".join(watch.err)))


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
