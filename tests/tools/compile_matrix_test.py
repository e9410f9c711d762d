#!/usr/bin/python3
"""The probe header under every compiler, language, optimisation and linker that this machine has: the program runs,
each probe has exactly the sites it should, the bytes at each site are the two nops, and the operands can be read.

The program has two source files that both use every probe, inline functions and templates in a shared header, and is
compiled for C and for C++."""

import concurrent.futures
import itertools
import os
import shutil
import subprocess
import sys

from tools import INCLUDE, PROBES, bytes_at, need, read_notes, work_directory

# Each level with one kind of link, so that every one of either is there; as `scripts/test --all` asks for, all pairs.
LEVELS, KINDS = ("-O0", "-O2", "-O3"), ("pie", "static", "nopie")
LEVELS_AND_KINDS = tuple((itertools.product if os.environ.get("OUTRIDER_LONG") == "1" else zip)(LEVELS, KINDS))
SITE = bytes.fromhex("90662e0f1f840000000000")

COMMON = """
#include <outrider/query.h>
static inline int use_c(void) {
  struct outrider_query q; struct outrider_detached d; struct outrider_phase p; unsigned long depth;
  outrider_query_begin(&q, "outer"); outrider_phase_begin(&p, "parse");
  outrider_cache_hit("c"); outrider_cache_miss("c");
  outrider_detached_begin(&d, "detached", 0); outrider_detached_release(&d); outrider_detached_end(&d);
  depth = q.depth; outrider_phase_end(&p); outrider_query_end(&q);
  return depth == 1 && d.query.id >> 63 == 1 && (q.id >> 63) == 0;
}
"""
CXX_ONLY = """
#include <outrider/query.hpp>
template <typename T> bool in_template(T) {
  outrider::Query outer{"outer"};
  outrider::Query inner{"inner"};
  return inner.depth() == 2 && outer.depth() == 1;
}
inline bool in_inline() { outrider::DetachedQuery d{"detached"}; outrider::Phase p{"phase"}; return d.id() >> 63; }
static inline bool use() { return use_c() && in_template(1) && in_template(1.0) && in_inline(); }
"""
MAIN = """
extern OTHER_LINKAGE int other(void);
int main(void) {
  int quiet = other();
  RAISE_ALL
  return !quiet && other() && use() ? 0 : 1;
}
"""


def sources(language):
    """(header, main file, other file) of the program."""
    cxx = language == "c++"
    header = COMMON + (CXX_ONLY if cxx else "static inline int use(void) { return use_c(); }\n")
    raise_all = " ".join(f"outrider_{probe}_semaphore = 1;" for probe in PROBES)
    main = '#include "use.h"\n' + MAIN.replace("RAISE_ALL", raise_all).replace("OTHER_LINKAGE ", "")
    # before anybody watches every depth and id is whatever was there: ask only the enabled flag
    other = '#include "use.h"\nint other(void) { return OUTRIDER_PROBE_ENABLED(query__start) ? use() : 0; }\n'
    return header, main, other


def available(*names):
    return [name for name in names if shutil.which(name)]


def variants():
    """(compiler, language, flags, link flags) of every build to try."""
    families = [("gcc", "g++", available("ld.bfd", "ld.gold", "ld.lld"))]
    for version in ("14", "16", "19"):
        families.append((f"clang-{version}", f"clang++-{version}", available("ld.bfd", "ld.gold", "ld.lld")))
    for c, cxx, linkers in families:
        if not shutil.which(cxx):
            continue
        for language, (level, kind) in itertools.product(("c", "c++"), LEVELS_AND_KINDS):
            link = {"pie": ["-fPIE", "-pie"], "static": ["-static"], "nopie": ["-no-pie", "-fno-pie"]}[kind]
            yield (c if language == "c" else cxx), language, [level, *link], linkers[0]
        for language, linker in itertools.product(("c", "c++"), linkers):
            compiler = c if language == "c" else cxx
            yield compiler, language, ["-O2", "-ffunction-sections", "-Wl,--gc-sections"], linker
            if linker in ("ld.gold", "ld.lld"):
                yield compiler, language, ["-O2", "-ffunction-sections", "-Wl,--icf=all"], linker
            if c == "gcc" and linker != "ld.lld":
                yield compiler, language, ["-O2", "-flto"], linker
                yield compiler, language, ["-O2", "-flto", "-flto-partition=max"], linker
        if c != "gcc" and shutil.which(c.replace("clang", "ld.lld")):
            for language in ("c", "c++"):
                compiler = c if language == "c" else cxx
                yield compiler, language, ["-O2", "-flto"], c.replace("clang", "ld.lld")


def build(compiler, language, flags, linker, directory):
    """Compiles and links the program; returns its path."""
    suffix = "c" if language == "c" else "cpp"
    use = dict(zip(("use.h", f"main.{suffix}", f"other.{suffix}"), sources(language)))
    for name, text in use.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    path = os.path.join(directory, "program")
    standard = "-std=gnu99" if language == "c" else "-std=c++17"
    fuse = f"--ld-path={shutil.which(linker)}" if compiler.startswith("clang") else f"-fuse-ld={linker[3:]}"
    command = [compiler, standard, "-Wall", "-Wextra", "-Werror", *flags, f"-I{INCLUDE}", fuse, "-o", path,
               *[os.path.join(directory, n) for n in use if n != "use.h"]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return path


def check(variant):
    compiler, language, flags, linker = variant
    label = " ".join([compiler, language, *flags, linker])
    try:
        with work_directory() as directory:
            path = build(*variant, directory)
            assert subprocess.run([path], timeout=60).returncode == 0, "the program found a wrong depth or id"
            check_sites(path, per_file=2 if language == "c" else 1)
    except AssertionError as error:
        return f"{label}: {error}"
    return None


def check_sites(path, per_file):
    """C has one emitter for each source file, C++ one for the program."""
    notes = [n for n in read_notes(path) if n.provider == "outrider"]  # static libraries bring notes of their own
    for probe in PROBES:
        sites = [n for n in notes if n.name == probe]
        assert len(sites) == per_file, f"{probe} has {len(sites)} sites, not {per_file}"
        assert len({n.semaphore for n in sites}) == 1, f"{probe} has several semaphores"
    assert len({n.location for n in notes}) == len(notes), "two notes share a site"
    assert len({n.semaphore for n in notes}) == len(PROBES), "two probes share a semaphore"
    for note in notes:
        found = bytes_at(path, note.location, len(SITE))
        assert found == SITE, f"{note.name} at {note.location:#x}: {found.hex()}"
        for argument in note.arguments.split(" "):
            operand = argument.split("@")[1]
            assert operand[0] in "%$" and "(" not in operand, f"{note.name}: {argument}"


def main():
    need("readelf", "gcc", "g++")
    if os.uname().machine != "x86_64":
        print("skipped: the site's bytes are x86-64's")
        sys.exit(77)
    todo = list(variants())
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        failures = [failure for failure in pool.map(check, todo) if failure]
    print(f"{len(todo) - len(failures)} of {len(todo)} builds are right")
    for failure in failures:
        print("FAILED " + failure)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
