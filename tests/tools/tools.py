"""What the tests of the probe header share: building a victim, running a tool, skipping with a reason."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("OUTRIDER_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
INCLUDE = os.path.join(SOURCE, "usdt", "include")
VICTIM = os.path.join(SOURCE, "tests", "tools", "usdt_victim.cpp")
PROBES = ["query__start", "query__end", "query__switch", "phase__start", "phase__end", "cache__hit", "cache__miss"]


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            skip(f"{tool} is not installed")


def run(command, **options):
    """Runs a command to its end; its output is text. Fails the test if the command does."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options)
    assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


def build_victim(directory, compiler=("g++",), flags=("-O2",)):
    """Compiles the victim; returns its path."""
    path = os.path.join(directory, "victim")
    run([*compiler, "-std=c++20", *flags, "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", VICTIM, "-o", path])
    return path


def work_directory():
    return tempfile.TemporaryDirectory(prefix="outrider-tools-")


class Note:
    """One probe note as readelf prints it."""

    def __init__(self, provider, name, location, semaphore, arguments):
        self.provider, self.name, self.arguments = provider, name, arguments
        self.location, self.semaphore = location, semaphore


def read_notes(path):
    """The stapsdt notes of an ELF file, by readelf."""
    text = run(["readelf", "-n", path])
    pattern = (r"Provider: (\S+)\s+Name: (\S+)\s+Location: (0x[0-9a-f]+), Base: 0x[0-9a-f]+, Semaphore: (0x[0-9a-f]+)"
               r"\s+Arguments:[ ]?(.*)")
    return [Note(m[1], m[2], int(m[3], 16), int(m[4], 16), m[5].strip()) for m in re.finditer(pattern, text)]


def bytes_at(path, address, count):
    """Bytes of the file that are loaded at a virtual address, found through the program headers."""
    text = run(["readelf", "-lW", path])
    for m in re.finditer(r"LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)", text):
        offset, start, size = (int(m[i], 16) for i in (1, 2, 3))
        if start <= address and address + count <= start + size:
            with open(path, "rb") as file:
                file.seek(offset + address - start)
                return file.read(count)
    raise AssertionError(f"{address:#x} is in no segment of {path}")


def mounted_tracefs():
    """Mounts tracefs if it is not there. Returns a function that undoes it, or None if it cannot be had."""
    if os.path.exists("/sys/kernel/tracing/events"):
        return lambda: None
    done = subprocess.run(["mount", "-t", "tracefs", "nodev", "/sys/kernel/tracing"], capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return lambda: subprocess.run(["umount", "/sys/kernel/tracing"], check=False)
