#!/usr/bin/python3
"""bpftrace lists the victim's probes, counts every hit and reads the arguments of query__end."""

import os
import re
import subprocess

from tools import PROBES, build_victim, mounted_tracefs, need, run, skip, work_directory

ROUNDS = 100
# a round passes: factual and nested and detached (start, end), release and attach (switch), and one of each other
HITS = {"query__start": 300, "query__end": 300, "query__switch": 200, "phase__start": 100, "phase__end": 100,
        "cache__hit": 100, "cache__miss": 100}


def check_list(victim):
    text = run(["bpftrace", "-l", f"usdt:{victim}:*"])
    for probe in PROBES:
        assert f":victim:{probe}" in text, f"bpftrace -l: {probe}\n{text}"


def program(victim):
    lines = [f"usdt:{victim}:victim:{p} {{ @hits[\"{p}\"] = count(); }}" for p in PROBES if p != "query__end"]
    lines.append(f"usdt:{victim}:victim:query__end {{ @hits[\"query__end\"] = count(); @types[str(arg1)] = count(); "
                 "@failed = sum(arg2); @cached = sum(arg5); @depth[arg4] = count(); }")
    return "\n".join(lines)


def trace(victim):
    """Counts under bpftrace, which starts the victim (-c) and so raises the semaphores through its PID."""
    command = ["bpftrace", "-e", program(victim), "-c", f"{victim} {ROUNDS}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


def check_run(victim):
    text = trace(victim)
    counts = {m[1]: int(m[2]) for m in re.finditer(r"@hits\[(\w+)\]: (\d+)", text)}
    assert counts == HITS, f"{counts}\n{text}"
    types = {m[1]: int(m[2]) for m in re.finditer(r"@types\[(\w+)\]: (\d+)", text)}
    assert types == {"factual": 100, "nested": 100, "detached": 100}, text
    assert "@failed: 25\n" in text, text  # every fourth
    assert "@cached: 200\n" in text, text
    assert "@depth[2]: 100\n" in text and "@depth[1]: 200\n" in text, text


def main():
    need("bpftrace", "g++")
    if os.geteuid() != 0:
        skip("bpftrace needs root")
    unmount = mounted_tracefs()
    if unmount is None:
        skip("tracefs cannot be mounted")
    try:
        with work_directory() as directory:
            victim = build_victim(directory)
            check_list(victim)
            check_run(victim)
            print(f"bpftrace counted {sum(HITS.values())} hits of {len(HITS)} probes")
    finally:
        unmount()


if __name__ == "__main__":
    main()
