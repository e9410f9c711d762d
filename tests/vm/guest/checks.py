"""What is checked on each kernel: {feature: check}. A check returns ("ok" or "skipped" or "refused", reason), or raises.
Refused is what the agent itself said no to, for a good reason."""

import importlib
import platform
import re
import subprocess
import sys
import unittest

import harness
import sites


def doctor():
    """An attach would work; a kernel that is too old is told so in one sentence, whatever the command."""
    # The level at which it says what the kernel's verifier holds against a program.
    done = subprocess.run([harness.OUTRIDER, "--log-level", "debug", "doctor"], capture_output=True, text=True, timeout=300, check=False)
    print(done.stdout, done.stderr)
    if done.returncode == 0:
        return "ok", ""
    said = next((line for line in done.stdout.splitlines() if line.startswith("NO ")), done.stdout)
    found = re.search(r"kernel \S+ is too old: outrider needs Linux \S+ or newer", said)
    assert found, f"the doctor says: {said}"
    watch = harness.Child([harness.OUTRIDER, "watch", "--pid", "1"])
    assert watch.wait() == 1, watch.describe()
    assert len(watch.err) == 1 and found[0] in watch.err[0], watch.describe()
    return "refused", re.sub(r"kernel \S+ ", "", found[0])


def not_tried():
    return "skipped", "the kernel is too old"


def summary_of(result):
    for test, text in result.failures + result.errors:
        # The last line of a traceback says what was wrong.
        return "FAILED", f"{test.id()}: {text.strip().splitlines()[-1]}"
    if result.skipped and len(result.skipped) == result.testsRun:
        return "skipped", result.skipped[0][1]
    assert result.testsRun, "there is no such test"
    return "ok", ""


def tests(*names):
    """Tests of tests/e2e or of the guest's own, by their full names."""
    def check():
        for name in names:
            importlib.import_module(name.split(".")[0])
        suite = unittest.defaultTestLoader.loadTestsFromNames(names)
        return summary_of(unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite))
    return check


# Each of the bpf tests loads all programs, which an emulated processor verifies for seconds: the corners, not all of them.
BPF_TESTS = {"session_test": ("CountsQueries*", "LightMode*", "AChangeOfMode*", "QueriesInFlight*", "AFork*", "AThread*"),
             "single_queries_test": ("ManyThreads*", "OneThatHangs*")}
# For a second way of attaching the same programs: what the way itself decides.
WAY_TESTS = {"session_test": ("CountsQueries*", "AChangeOfMode*", "AFork*")}
ways_tried = set()


def programs(way):
    """The BPF programs on queries in exact places, attached that way."""
    def check():
        ran = 0
        for name, wanted in (WAY_TESTS if ways_tried else BPF_TESTS).items():
            command = [harness.BUILD / "bin" / name, "--gtest_filter=" + ":".join(f"*.{test}/{way}" for test in wanted)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
            print(done.stdout, done.stderr)
            failed = re.findall(r"^\[  FAILED  \] (\S+)", done.stdout, re.M)
            assert done.returncode == 0, f"{name} ended with {done.returncode}: {', '.join(dict.fromkeys(failed))}"
            assert "[  SKIPPED ]" not in done.stdout, f"{name} skipped a test"
            ran += int(re.search(r"(\d+) tests? from \d+ test suites? ran", done.stdout)[1])
        if ran:
            ways_tried.add(way)
        return ("ok", "") if ran else ("skipped", "this kernel has no uprobe_multi")
    return check


def by_this_processor():
    """The unit tests of what is another on each architecture: the probe header, its notes, sites and operands."""
    for name in ("usdt_guard_test", "elf_notes_test", "site_code_test", "arg_decode_test"):
        done = subprocess.run([harness.BUILD / "bin" / name], capture_output=True, text=True, timeout=120, check=False)
        print(done.stdout, done.stderr)
        failed = re.findall(r"^\[  FAILED  \] (\S+)", done.stdout, re.M)
        assert done.returncode == 0, f"{name} ended with {done.returncode}: {', '.join(dict.fromkeys(failed))}"
    return "ok", ""


def functions():
    """Functions and their returns, on SQLite in Python; or the reason why no return may be probed here."""
    done = subprocess.run([harness.OUTRIDER, "doctor"], capture_output=True, text=True, timeout=300, check=False)
    refused = re.search(r"^note +return probes +(.*)", done.stdout, re.M)
    if not refused:
        assert re.search(r"^ok +return probes", done.stdout, re.M), done.stdout
        return tests("sqlite_test.Sqlite.test_counts", "sqlite_test.Sqlite.test_failures")()
    user = harness.Child([sys.executable, "-c", "import sqlite3, sys; print('READY', flush=True); sys.stdin.read()"], stdin=subprocess.PIPE)
    user.await_line(user.out, "READY", harness.PATIENCE_SECONDS)
    watch = harness.Child([harness.OUTRIDER, "watch", "--pid", str(user.process.pid), "--allow-library-returns"])
    assert watch.wait() == 1, watch.describe()
    assert refused[1] in "".join(watch.err), watch.describe()
    user.process.stdin.close()
    assert user.wait() == 0, user.describe()
    return "refused", refused[1]


# Of the last ones, what needs systemd as the first process.
UNDER_SYSTEMD = ("unit",)
X86_64 = {"nop10": sites.ten_byte_nops, "nop5": sites.five_byte_nops, "functions": functions}
ARM64 = {"header": by_this_processor, "nop": sites.plain_nops}

CHECKS = {
    "doctor": doctor,
    **(ARM64 if platform.machine() == "aarch64" else X86_64),
    "programs_multi": programs("multi"),
    "programs_perf": programs("perf"),
    "counts_full": tests("accuracy_test.Accuracy.test_full_mode"),
    "counts_light": tests("accuracy_test.Accuracy.test_light_mode"),
    "counts_detached": tests("accuracy_test.Accuracy.test_detached_queries_are_counted_as_exactly"),
    "waits": tests("emulated_waits.Waits.test_blocking"),
    "throttled": tests("throttled_test.Throttled.test_what_the_quota_takes_is_throttling"),
    "detach": tests("detach_test.Detach.test_a_watch_that_ends_in_the_middle_of_a_load_abandons_nothing"),
    "restarts": tests("lifecycle_test.Targets.test_an_executable_that_starts_later_loses_no_query",
                      "lifecycle_test.Targets.test_an_exec_of_the_same_file_goes_on_and_abandons_what_was_open"),
    "agent_killed": tests("lifecycle_test.Agent.test_a_killed_agent_leaves_nothing_and_the_next_one_counts_on"),
    "service": tests("service_test.Service.test_every_export_says_what_the_record_says"),
    "flame": tests("flame_test.Flame.test_queries_that_change_threads"),
    "slow": tests("slow_test.Slow.test_slowest"),
    "cpu_unplugged": tests("hotplug.Hotplug"),
    "clock_set": tests("clock.Clock"),
    **({} if platform.machine() == "aarch64" else {"unit": tests("unit.Unit")}),
}
