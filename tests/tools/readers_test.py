#!/usr/bin/python3
"""readelf, gdb and perf each list all seven probes of a victim, with the arguments of the contract."""

import os
import shutil

from tools import PROBES, build_victim, need, read_notes, run, work_directory

SIZES = {
    "query__start": ["8", "8", "8"],
    "query__end": ["8", "8", "-8", "8", "8", "8", "8"],
    "query__switch": ["8"],
    "phase__start": ["8"],
    "phase__end": ["8"],
    "cache__hit": ["8"],
    "cache__miss": ["8"],
}


def check_readelf(victim):
    notes = read_notes(victim)
    assert sorted(n.name for n in notes) == sorted(PROBES), [n.name for n in notes]
    for note in notes:
        assert note.provider == "victim"
        assert note.semaphore != 0, note.name
        arguments = [a.split("@") for a in note.arguments.split(" ")]
        assert [size for size, _ in arguments] == SIZES[note.name], (note.name, note.arguments)
        for _, operand in arguments:
            assert operand[0] in "%$", f"{note.name}: {operand} is neither a register nor a number"
    assert len({n.location for n in notes}) == len(PROBES), "two probes share a site"
    assert len({n.semaphore for n in notes}) == len(PROBES), "two probes share a semaphore"


def check_gdb(victim):
    text = run(["gdb", "-batch", "-nx", "-ex", "info probes stap", victim])
    for probe in PROBES:
        assert f"victim   {probe}" in " ".join(text.split("\t")) or f"{probe} " in text, f"gdb: {probe}\n{text}"


def check_perf(victim, directory):
    cache = os.path.join(directory, "buildids")
    run(["perf", "--buildid-dir", cache, "buildid-cache", "--add", victim])
    text = run(["perf", "--buildid-dir", cache, "list", "sdt"])
    for probe in PROBES:
        assert f"sdt_victim:{probe}" in text, f"perf: {probe}\n{text}"


def main():
    need("readelf", "g++")
    with work_directory() as directory:
        victim = build_victim(directory)
        check_readelf(victim)
        checked = ["readelf"]
        if shutil.which("gdb"):
            check_gdb(victim)
            checked.append("gdb")
        if shutil.which("perf"):
            check_perf(victim, directory)
            checked.append("perf")
        print("seven probes listed by: " + ", ".join(checked))
        for tool in sorted({"gdb", "perf"} - set(checked)):
            print(f"skipped: {tool} is not installed, so nobody asked it for the probes")


if __name__ == "__main__":
    main()
