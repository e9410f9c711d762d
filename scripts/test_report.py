#!/usr/bin/env python3
"""Reads ctest's JUnit file and says how many tests passed, failed and were skipped, and why.

A test that needs something of the machine skips on a feature probe and names the feature in its reason. This
program probes the same features by itself: a skip is excused when its reason names a feature that the machine does
not have. In CI every other skip is a failure, so that a test cannot go quiet without anybody noticing. Features
listed in .ci/required or OUTRIDER_REQUIRE_FEATURES must be there, whoever runs the tests.

A few that fail may be run again by themselves (--again): a machine that others use too may have starved one of them. What
passes then is no failure, but it is named. What was to be run (--listed) and is not among the results has failed: ctest
begins no test once its time is over, and says nothing of it in its file.
"""

import argparse
import ctypes
import errno
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
# More than these did not fail by chance.
MOST_AGAIN = 3
BTF = pathlib.Path("/sys/kernel/btf/vmlinux")
SYS_UPROBE = 336
SYS_IO_URING_SETUP = 425
HOST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO: fixed by Linux's include/linux/proc_ns.h


def system_call_errno(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 if libc.syscall(number, *arguments) >= 0 else ctypes.get_errno()


def btf_has(name):
    try:
        return name in BTF.read_bytes()
    except OSError:
        return False


def runs(*command, seconds=20):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def linux_release():
    """(major, minor)"""
    return tuple(int(number) for number in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())


def has_postgresql():
    return any(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")) or shutil.which("postgres") is not None


def has_quota():
    """A cpu controller with quotas, of cgroup v1 or v2, in a folder that can be written."""
    if os.access("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", os.W_OK):
        return True
    controllers = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
    return controllers.exists() and "cpu" in controllers.read_text().split() and os.access(controllers.parent, os.W_OK)


def has_read_limits():
    """An io controller, of cgroup v1 or v2, and temporary files on a disk rather than in memory or on an overlay."""
    device = os.stat(tempfile.gettempdir()).st_dev
    controllers = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
    controlled = os.path.exists("/sys/fs/cgroup/blkio") or controllers.exists() and "io" in controllers.read_text().split()
    return controlled and os.path.exists(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")


def has_qemu():
    """A version whose guests do not panic by themselves."""
    done = subprocess.run(["sh", "-c", "qemu-system-x86_64 --version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\d+)\.", done.stdout)
    return found is not None and int(found[1]) >= 10


def has_io_uring():
    """A set-up without parameters is refused for them, not for being io_uring."""
    return system_call_errno(SYS_IO_URING_SETUP, 0, None) in (errno.EFAULT, errno.EINVAL)


def has_ext4():
    """Made in a file, and mounted where nobody else sees it."""
    make = "cd $(mktemp -d) && trap 'rm -r $PWD' EXIT && truncate -s 8M image && mkfs.ext4 -q -F image"
    return runs("unshare", "--mount", "sh", "-c", f"{make} && mount -t ext4 -o loop image /mnt && umount /mnt")


def has_room_for_threads(threads=10_000):
    """Of one process of root, with room for everybody else: as tests/e2e/faults_victim_test.py has it."""
    shares = {"kernel/threads-max": 2, "kernel/pid_max": 3, "vm/max_map_count": 4}
    most = [int(pathlib.Path("/proc/sys", name).read_text()) // share for name, share in shares.items()]
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        root = pathlib.Path("/sys/fs/cgroup", *(["pids"] if "pids" in controllers.split(",") else []))
        for folder in (group, *map(str, pathlib.PurePath(group).parents)):
            path = root / folder.lstrip("/") / "pids.max"
            if path.exists() and (text := path.read_text().strip()) != "max":
                most.append(int(text) // 2)
    return min(most) >= threads


# Feature: (how a reason may call it, is it here). The probes do not load or attach anything.
FEATURES = {
    "root": (r"\broot\b|\bprivilege|CAP_\w+", lambda: os.geteuid() == 0),
    "btf": (r"\bBTF\b", BTF.exists),
    "bpf": (r"\bbpf\b", lambda: runs("bpftool", "prog", "show")),
    "uprobe_multi": (r"\buprobe_multi\b", lambda: btf_has(b"bpf_uprobe_multi_link_attach")),
    "optimised_uprobe": (r"\boptimi[sz]ed[_ ]uprobe|\bnop10\b", lambda: system_call_errno(SYS_UPROBE) == errno.EPROTO),
    "linux_6_1": (r"\bLinux 6\.1 or newer", lambda: linux_release() >= (6, 1)),
    "uprobes": (r"CONFIG_UPROBE_EVENTS", lambda: os.path.exists("/sys/bus/event_source/devices/uprobe/type")),
    "host_pid_namespace": (r"\bPID namespace", lambda: os.stat("/proc/self/ns/pid").st_ino == HOST_PID_NAMESPACE),
    "tracefs": (r"\btracefs\b", lambda: os.path.exists("/sys/kernel/tracing/events")),
    "mount_namespace": (r"\bmount[_ ]namespace", lambda: runs("unshare", "--mount", "true")),
    # Mounted where nobody else sees it.
    "tmpfs": (r"\btmpfs\b", lambda: runs("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt")),
    "ext4": (r"\bext4\b", has_ext4),
    "ten_thousand_threads": (r"\broom for 10,000 threads\b", has_room_for_threads),
    "clock_ticks_of_10_ms": (r"\b1/100 s\b", lambda: os.sysconf("SC_CLK_TCK") == 100),
    "ipv6": (r"\bIPv6\b", lambda: os.path.exists("/proc/net/if_inet6")),
    "io_uring": (r"\bio_uring\b", has_io_uring),
    "two_cpus": (r"\b(two|2) (cpus|processors)\b|\btwo_cpus\b", lambda: len(os.sched_getaffinity(0)) >= 2),
    "cgroup": (r"\bcgroup", has_quota),
    "read_limits": (r"\breads can be limited\b", has_read_limits),
    "postgresql": (r"\bpostgres", has_postgresql),
    "pgbench": (r"\bpgbench\b", lambda: any(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pgbench"))),
    "bpftrace": (r"\bbpftrace\b", lambda: shutil.which("bpftrace") is not None),
    "bpftool": (r"\bbpftool\b", lambda: runs("bpftool", "version")),
    "perf": (r"\bperf\b", lambda: runs("perf", "version")),
    "gdb": (r"\bgdb\b", lambda: shutil.which("gdb") is not None),
    "readelf": (r"\breadelf\b", lambda: shutil.which("readelf") is not None),
    "influxdb": (r"\binfluxd\b", lambda: shutil.which("influxd") is not None),
    "alertmanager": (r"\bprometheus-alertmanager\b", lambda: shutil.which("prometheus-alertmanager") is not None),
    "prometheus": (r"\bprometheus is not installed", lambda: shutil.which("prometheus") is not None),
    "node_exporter": (r"\bnode[-_ ]exporter\b", lambda: shutil.which("prometheus-node-exporter") is not None),
    "promtool": (r"\bpromtool\b", lambda: shutil.which("promtool") is not None),
    # It may be there and have nowhere to fetch packages from.
    "npm": (r"\bnpm\b", lambda: shutil.which("node") is not None and runs("npm", "view", "esbuild", "version")),
    "qemu": (r"\bqemu\b", has_qemu),
    # It may have no archive of Debian's, or one that does not answer: to read its lists may take minutes.
    "debian_kernels": (r"\bDebian kernels\b", lambda: runs(ROOT / "scripts" / "vm-matrix", "--list", seconds=400)),
    "chromium": (r"\bchromium\b", lambda: shutil.which("chromium") is not None),
    "tmux": (r"\btmux\b", lambda: shutil.which("tmux") is not None),
    "rustc": (r"\brustc\b", lambda: shutil.which("rustc") is not None),
    "openssl": (r"\bopenssl\b", lambda: shutil.which("openssl") is not None),
    "gcc": (r"\bgcc\b", lambda: shutil.which("gcc") is not None),
    "clang": (r"\bclang\b", lambda: shutil.which("clang") is not None),
}


class Features:
    """Probes each feature once, and only if somebody asks."""

    def __init__(self):
        self.known = {}

    def present(self, name):
        if name not in self.known:
            self.known[name] = FEATURES[name][1]()
        return self.known[name]

    def named_in(self, reason):
        return [name for name, (pattern, _) in FEATURES.items() if re.search(pattern, reason, re.IGNORECASE)]

    def excuse(self, reason):
        """The missing feature that explains a skip, or None."""
        return next((name for name in self.named_in(reason) if not self.present(name)), None)


def skip_reason(output):
    """The last line that speaks of skipping; else the last line that says anything."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    speaking = [line for line in lines if re.search(r"\bskip", line, re.IGNORECASE)]
    return (speaking or lines or ["no reason was given"])[-1]


def googletest_skips(output):
    """(case, reason) of each GTEST_SKIP; GoogleTest prints `FILE:LINE: Skipped`, the reason, then the case."""
    skips, reason, lines = [], "no reason was given", output.splitlines()
    for number, line in enumerate(lines):
        if line.endswith(": Skipped") and number + 1 < len(lines):
            reason = lines[number + 1].strip() or reason
        found = re.match(r"\[  SKIPPED \] (\S+) \(\d+ ms\)", line)
        if found:
            skips.append((found.group(1), reason))
            reason = "no reason was given"
    return skips


def read_results(path):
    passed, failed, skips = 0, [], []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name, output = case.get("name"), case.findtext("system-out") or ""
        skipped = case.find("skipped")
        if skipped is not None and "SKIP" in (skipped.get("message") or "").upper():
            skips.append((name, skip_reason(output)))
        elif case.get("status") == "disabled":
            skips.append((name, "disabled in CMake"))
        elif case.get("status") == "run":
            passed += 1
            skips += [(f"{name} {inner}", reason) for inner, reason in googletest_skips(output)]
            skips += [(name, line.removeprefix("skipped: ")) for line in output.splitlines()
                      if line.startswith("skipped: ")]
        else:
            failed.append(name)
    return passed, failed, skips


def required_features():
    names = os.environ.get("OUTRIDER_REQUIRE_FEATURES", "").replace(",", " ").split()
    listed = ROOT / ".ci" / "required"
    if listed.exists():
        names += [line.split("#")[0].strip() for line in listed.read_text().splitlines()]
    unknown = sorted({name for name in names if name and name not in FEATURES})
    if unknown:
        sys.exit(f"test: no such feature: {', '.join(unknown)}; the known ones are {', '.join(FEATURES)}")
    return sorted({name for name in names if name})


def judge(skips, required, strict, features):
    """Prints each skip; returns what is wrong with them."""
    problems = []
    for name, reason in skips:
        excuse = features.excuse(reason)
        named = ", ".join(features.named_in(reason))
        verdict = f"not excused: this machine has {named}" if named else "not excused"
        print(f"skipped: {name}: {reason} ({f'this machine has no {excuse}' if excuse else verdict})")
        if not excuse and (strict or set(features.named_in(reason)) & set(required)):
            wrong = f"but this machine has {named}" if named else "and the reason names no feature that is probed for"
            problems.append(f"{name} was skipped, {wrong}")
    problems += [f"this machine must have {name}, and has not" for name in required if not features.present(name)]
    return problems


def passed_again(path, failed):
    """Those of `failed` that passed when they were run once more, and what they skipped; a skip as a whole is no pass."""
    if not path or not path.exists():
        return [], []
    cases = ElementTree.parse(path).getroot().iter("testcase")
    passed = {case.get("name") for case in cases if case.get("status") == "run" and case.find("skipped") is None}
    skips = read_results(path)[2]
    return [name for name in failed if name in passed], [skip for skip in skips if skip[0].split()[0] in passed]


def never_begun(path, listed):
    """Those of a list, as `ctest -N` writes it, that are not among the results."""
    if not listed:
        return []
    names = re.findall(r"^\s*Test\s+#\d+: (\S+)", listed.read_text(encoding="utf-8"), re.MULTILINE)
    known = {case.get("name") for case in ElementTree.parse(path).getroot().iter("testcase")}
    return [name for name in names if name not in known]


def judge_one(name, output):
    """The exit code for a program that is no test of ctest's, and ended with 77."""
    reason = skip_reason(output).removeprefix("skipped: ")
    problems = judge([(name, reason)], required_features(), os.environ.get("CI") == "true", Features())
    for problem in problems:
        print(f"failed: {problem}")
    return 1 if problems else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=pathlib.Path, help="the file written by ctest --output-junit")
    parser.add_argument("--skipped", metavar="NAME", help="judge only the skip of this program: `results` is what it printed")
    parser.add_argument("--listed", type=pathlib.Path, help="what `ctest -N` says of the tests that were to be run")
    parser.add_argument("--ctest-status", type=int, default=0)
    parser.add_argument("--left-out", type=int, default=0, help="long tests that nobody asked for: no skips")
    parser.add_argument("--few-failed", action="store_true", help="only say, by the exit code, whether it is worth running those again")
    parser.add_argument("--again", type=pathlib.Path, help="the results of those that failed, run again")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if arguments.skipped:
        return judge_one(arguments.skipped, arguments.results.read_text(encoding="utf-8", errors="replace"))
    passed, failed, skips = read_results(arguments.results)
    missing = never_begun(arguments.results, arguments.listed)
    if arguments.few_failed:
        return 0 if 0 < len(failed) <= MOST_AGAIN and not missing else 1
    unstable, skipped_again = passed_again(arguments.again, failed)
    skips += skipped_again
    failed = [name for name in failed if name not in unstable]
    passed += len(unstable)
    strict = os.environ.get("CI") == "true"
    print()
    problems = judge(skips, required_features(), strict, Features())
    problems += [f"{name} was never begun" for name in missing]
    for name in unstable:
        print(f"unstable: {name} failed, and passed when it was run again by itself: see above what it said")
    for name in failed:
        print(f"failed: {name}")
    for problem in problems:
        print(f"failed: {problem}")
    if arguments.ctest_status and not failed and not unstable and not missing:
        problems.append("ctest")
        print(f"failed: ctest ended with status {arguments.ctest_status}")
    if arguments.left_out:
        print(f"{arguments.left_out} long tests were left out: scripts/test --all runs them")
    print(f"{passed} passed, {len(failed) + len(problems)} failed, {len(skips)} skipped")
    return 1 if failed or problems else 0


if __name__ == "__main__":
    sys.exit(main())
