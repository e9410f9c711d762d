#!/usr/bin/python3
"""The probe header for arm64: it compiles, C and C++ alike, each probe has its note, its operands are registers or
numbers and the instruction at each site is a nop. Compiled only: nothing of arm64 runs here."""

import os
import re
import shutil
import subprocess

from tools import INCLUDE, PROBES, read_notes, run, skip, work_directory

SOURCE = """
#include <outrider/query.h>
int use(void);
int use(void) {
  struct outrider_query q; struct outrider_detached d; struct outrider_phase p;
  outrider_query_begin(&q, "outer"); outrider_phase_begin(&p, "parse");
  outrider_cache_hit("c"); outrider_cache_miss("c");
  outrider_detached_begin(&d, "detached", 0); outrider_detached_release(&d); outrider_detached_end(&d);
  outrider_phase_end(&p); outrider_query_end(&q);
  return 0;
}
"""


def compilers():
    """Commands that compile for arm64. Freestanding: the header needs nothing but <stdint.h>, which clang brings."""
    for name in ("clang", "clang-14", "clang-16", "clang-19"):
        if shutil.which(name):
            yield [name, "--target=aarch64-linux-gnu", "-ffreestanding"]
    if shutil.which("aarch64-linux-gnu-gcc"):
        yield ["aarch64-linux-gnu-gcc"]


def check(compiler, language, level, directory):
    source = os.path.join(directory, "use." + ("c" if language == "c" else "cpp"))
    with open(source, "w", encoding="utf-8") as file:
        file.write(SOURCE)
    common = [*compiler, "-x", language, level, "-fPIC", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", source]
    run([*common, "-c", "-o", os.path.join(directory, "use.o")])
    run([*common, "-S", "-o", os.path.join(directory, "use.s")])
    notes = read_notes(os.path.join(directory, "use.o"))
    assert sorted(n.name for n in notes) == sorted(PROBES), [n.name for n in notes]
    for note in notes:
        for argument in note.arguments.split(" "):
            assert re.fullmatch(r"-?8@(x\d+|-?\d+)", argument), f"{note.name}: {argument}"
    with open(os.path.join(directory, "use.s"), encoding="utf-8") as file:
        sites = re.findall(r"(?:990|\.Ltmp\d+):\s*nop\s+adrp\s+xzr, (\w+)_semaphore\b", file.read())
    assert sorted(sites) == sorted("outrider_" + p for p in PROBES), sites


def main():
    usable = []
    for compiler in compilers():
        targets = subprocess.run([*compiler, "-x", "c", "-c", "-o", os.devnull, os.devnull], capture_output=True)
        if targets.returncode == 0:
            usable.append(compiler)
    if not usable:
        skip("no compiler for arm64: neither a clang with that target nor aarch64-linux-gnu-gcc")
    for compiler in usable:
        for language in ("c", "c++"):
            for level in ("-O0", "-O2"):
                with work_directory() as directory:
                    check(compiler, language, level, directory)
    print("arm64: seven notes each by " + ", ".join(c[0] for c in usable))


if __name__ == "__main__":
    main()
