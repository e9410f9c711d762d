#!/usr/bin/python3
"""liboutrider-usdt.so, as an engine in another language uses it: exports exactly what its header declares, is silent
while nobody watches, and reports once its semaphores are raised."""

import ctypes
import os
import re

from tools import INCLUDE, PROBES, need, read_notes, run, skip

SHARED_STATE = {"outrider_thread_state_v1", "outrider_id_blocks_v1"}


def check_symbols(library):
    with open(os.path.join(INCLUDE, "outrider", "usdt_abi.h"), encoding="utf-8") as file:
        declared = set(re.findall(r"\b(outrider_usdt_\w+)\(", file.read()))
    text = run(["nm", "-D", "--defined-only", library])
    exported = set(re.findall(r" [TVWBD] (\w+)@@OUTRIDER_USDT_1", text))
    assert exported == declared | SHARED_STATE, exported ^ (declared | SHARED_STATE)


def load(library):
    lib = ctypes.CDLL(library)
    for name in ("query_begin", "detached_begin"):
        function = getattr(lib, "outrider_usdt_" + name)
        function.restype, function.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    for name in ("attach", "release", "fail", "end"):
        getattr(lib, "outrider_usdt_query_" + name).argtypes = [ctypes.c_void_p]
    lib.outrider_usdt_query_cache.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
    lib.outrider_usdt_query_end.restype = ctypes.c_uint64
    return lib


def use_everything(lib):
    """One query with a detached one inside; returns their durations."""
    query = lib.outrider_usdt_query_begin(b"factual")
    detached = lib.outrider_usdt_detached_begin(b"a type that is longer than twenty-six bytes")
    lib.outrider_usdt_query_release(detached)
    lib.outrider_usdt_query_attach(detached)
    lib.outrider_usdt_query_attach(query)
    lib.outrider_usdt_query_fail(detached)
    lib.outrider_usdt_query_cache(query, 1, 2)
    for name in ("phase_start", "phase_end", "cache_hit", "cache_miss"):
        getattr(lib, "outrider_usdt_" + name)(b"name")
    return lib.outrider_usdt_query_end(detached), lib.outrider_usdt_query_end(query)


def load_bias(library):
    with open("/proc/self/maps", encoding="ascii") as file:
        return min(int(line.split("-")[0], 16) for line in file if os.path.realpath(library) in line)


def main():
    need("readelf", "nm")
    library = os.path.join(os.environ.get("OUTRIDER_BUILD", ""), "usdt", "lib", "liboutrider-usdt.so")
    if not os.path.exists(library):
        skip("liboutrider-usdt.so is not built; set OUTRIDER_BUILD to the build directory")
    check_symbols(library)
    notes = read_notes(library)
    assert sorted(n.name for n in notes) == sorted(PROBES), [n.name for n in notes]
    lib = load(library)
    assert lib.outrider_usdt_abi_version() == 1
    assert lib.outrider_usdt_enabled() == 0
    assert lib.outrider_usdt_query_begin(b"factual") is None
    assert use_everything(lib) == (0, 0)
    for note in notes:
        ctypes.c_uint16.from_address(load_bias(library) + note.semaphore).value = 1
    assert lib.outrider_usdt_enabled() == 1
    inner, outer = use_everything(lib)
    assert 0 < inner < outer, (inner, outer)
    print("the library exports what it declares, is silent unwatched and times when watched")


if __name__ == "__main__":
    main()
