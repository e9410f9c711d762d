"""Every table of the agent full: what still fits stays exact, what does not is counted by its reason, and the engine
runs as before."""

import ctypes
import os
import platform
import re
import shutil
import struct
import unittest

import fault_harness
import harness
from service_harness import ServiceCase

TYPES, TYPES_A_TARGET = 2000, 256
TARGETS = 64
IN_FLIGHT, IN_FLIGHT_ROOM = 20_000, 16_384
PROCESSES_ROOM = 16_384
SYS_BPF = {"x86_64": 321, "aarch64": 280}
NOBODYS = struct.pack("<IIQ", TARGETS - 1, 0, 0)  # a process of the last target, which nobody is
# Of a sampler: what processes have mapped where, at most 64 mappings each, and 2^20 rows of tables of callers.
UNWIND_PROCESSES_ROOM, NOTHING_MAPPED = 1024, bytes(8 + 64 * 32)
UNWIND_FILES_ROOM = 2  # of 400,000 rows
BPF_MAP_UPDATE_ELEM, BPF_MAP_GET_FD_BY_ID = 2, 14


def bpf(command, attributes):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return libc.syscall(SYS_BPF[platform.machine()], command, buffer, len(attributes))


def fill(agent, name, value):
    """Puts processes that do not exist into a table of the agent's until it takes no more; returns how many."""
    table = bpf(BPF_MAP_GET_FD_BY_ID, struct.pack("<III", harness.bpf_map_id(agent, name), 0, 0))
    assert table >= 0, f"no descriptor for the table {name}"
    held = ctypes.create_string_buffer(value, len(value))
    try:
        for i in range(2 * PROCESSES_ROOM):
            key = ctypes.c_uint32(1 << 30 | i)  # ids that no process can have
            entry = struct.pack("<IIQQQ", table, 0, ctypes.addressof(key), ctypes.addressof(held), 0)
            if bpf(BPF_MAP_UPDATE_ELEM, entry) != 0:
                return i
    finally:
        os.close(table)
    raise AssertionError(f"the table {name} has no end")


class Limits(ServiceCase):
    def watch_script(self, *words, **options):
        engine = self.scripted(*words, **options)
        watch = self.watch("--pid", engine.pid)
        return engine, watch

    def finish(self, engine, watch):
        engine.release()
        engine.finish()
        return next(iter(watch.end().values()))

    def test_two_thousand_types(self):
        summary = self.finish(*self.watch_script("types", TYPES, "query", "type7", 5, "query", f"type{TYPES - 1}", 5))
        counted = fault_harness.counts(summary)
        beyond = TYPES - TYPES_A_TARGET
        self.assertEqual(counted.pop("other"), beyond + 5)
        self.assertEqual(counted, {f"type{i}": 6 if i == 7 else 1 for i in range(TYPES_A_TARGET)})
        self.assertEqual(harness.lost(summary), {"types_full": beyond + 5})
        self.assertEqual(summary["query_metrics"]["total_queries"], TYPES + 10)

    def test_more_queries_in_flight_than_room(self):
        summary = self.finish(*self.watch_script("detached", IN_FLIGHT, "query", "after", 10))
        self.assertEqual(fault_harness.counts(summary), {"detached": IN_FLIGHT_ROOM, "after": 10})
        beyond = IN_FLIGHT - IN_FLIGHT_ROOM
        self.assertEqual(harness.lost(summary), {"inflight_full": beyond, "unmatched_end": beyond})
        self.assertEqual(summary["query_metrics"]["peak_concurrent"], IN_FLIGHT_ROOM)
        self.assertEqual(summary["query_metrics"]["current_concurrent"], 0)

    def test_more_processes_than_room(self):
        engine, watch = self.watch_script("query", "before", 10, "families", "fork", 30, 7, "query", "after", 10)
        self.assertEqual(fill(watch.pid, "processes", NOBODYS), PROCESSES_ROOM - 1)
        summary = self.finish(engine, watch)
        self.assertEqual(fault_harness.counts(summary), {"before": 10, "after": 10})
        self.assertEqual(harness.lost(summary), {"targets_full": 30})

    def test_more_targets_than_room(self):
        engines = [self.scripted("query", "a", 1 + i) for i in range(TARGETS + 1)]
        each = [word for engine in engines for word in ("--pid", engine.pid)]
        watch = self.watch(*each, wait=False)
        self.assertEqual(watch.wait(), 1, watch.describe())
        self.assertIn(f"more than {TARGETS} targets; run a second agent", "\n".join(watch.err))
        tables = [f'pid = {engine.pid}\ndisplay_name = "t{i}"' for i, engine in enumerate(engines)]
        self.configure(tables)
        refused = self.start(serving=False)
        self.assertEqual(refused.wait(), 2, refused.describe())
        self.assertIn(f"found {TARGETS + 1}, expected an array of at most {TARGETS} tables", "\n".join(refused.err))
        self.configure(tables[:TARGETS])
        agent = self.start()
        attached = lambda: sum(one["attached"] for one in agent.json("/api/v1/targets")["targets"]) == TARGETS
        harness.wait_until(attached, harness.PATIENCE_SECONDS, agent.describe)
        for engine in engines:
            engine.release()
        for engine in engines:
            engine.finish()
        for i in range(TARGETS):
            snapshot = agent.await_total(f"t{i}", 1 + i)
            self.assertEqual(fault_harness.counts(snapshot), {"a": 1 + i})
            self.assertEqual(harness.lost(snapshot), {})
        self.assertLess(agent.end(), 5)


@unittest.skipUnless(platform.machine() == "x86_64", "callers are found by tables on x86-64 only")
class Stacks(harness.Case):
    def begin(self, engine, *arguments):
        flame = harness.Child([harness.OUTRIDER, "flame", "--pid", engine.pid, *arguments])
        self.addCleanup(flame.kill)
        flame.await_line(flame.err, "recording", harness.ATTACH_SECONDS)
        return flame

    def end(self, flame):
        """(losses as it says them, [(frames, value)])"""
        self.assertEqual(flame.wait(), 0, flame.describe())
        said = "\n".join(flame.err)
        lost = {reason: int(count) for count, reason in re.findall(r"^lost: (\d+) (\w+)$", said, re.M)}
        self.assertEqual("losses: none" in said, not lost, said)
        return lost, [(line.rpartition(" ")[0].split(";"), int(line.rpartition(" ")[2])) for line in flame.out]

    def test_more_rows_of_callers_than_room(self):
        """The tables of two files find room, that of the third one is a loss; whatever else is mapped is found."""
        for files in (UNWIND_FILES_ROOM, UNWIND_FILES_ROOM + 1):
            with self.subTest(files=files):
                copies = [self.directory / f"rows-{i}.so" for i in range(files)]
                for copy in copies:
                    shutil.copy(harness.BUILD / "bin" / "many-rows.so", copy)
                engine = self.engine("--threads", 1, "--rate", 0, "--duration", 20, record=False,
                                     env={**os.environ, "LD_PRELOAD": ":".join(map(str, copies))})
                flame = self.begin(engine, "--for", "2s")
                engine.release()
                lost, stacks = self.end(flame)
                self.assertEqual(lost, {} if files == UNWIND_FILES_ROOM else {"unwind_tables_full": 1})
                self.assertTrue(stacks)
                engine.kill()

    def test_more_processes_than_tables_of_callers(self):
        """Children of an engine have its table as long as there is room; without one their stacks lack frames."""
        children, ms = 30, 1500
        for room in (True, False):
            with self.subTest(room=room):
                engine = self.scripted("offspring", children, ms)
                flame = self.begin(engine, "--off-cpu", "--no-kernel", "--for", "4s")
                if not room:
                    self.assertEqual(fill(flame.pid, "unwind_processes", NOTHING_MAPPED), UNWIND_PROCESSES_ROOM - 1)
                engine.release()
                lost, stacks = self.end(flame)
                engine.await_stop()
                engine.release()
                engine.finish()
                self.assertEqual(lost, {} if room else {"unwind_processes_full": children})
                self.assertEqual({frames[0] for frames, _ in stacks}, {"offspring"})
                slept = sum(value for _, value in stacks)
                self.assertGreaterEqual(slept, children * ms * 10**6, flame.err)
                self.assertLess(slept, 1.2 * children * ms * 10**6)
                # The C library has no frame pointers: whoever walks along them misses the function that sleeps.
                whole = sum(value for frames, value in stacks if any("scripted::offspring(" in frame for frame in frames))
                self.assertEqual(whole, slept if room else 0, stacks)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
