"""What the tests of faults share: what an agent has in the kernel and in the code of its victim, seen from outside by
/proc, readelf and bpftool; and the counts of a summary by type."""

import contextlib
import pathlib
import re
import sys

import harness

sys.path.append(str(harness.SOURCE / "tests" / "tools"))
import tools  # pylint: disable=wrong-import-position

SITE_BYTES = 11  # the nop that is trapped, and the one behind it that newer kernels rewrite


class Sites:
    """The probe sites of a running process, in its own memory, and the counters that say whether somebody watches."""

    def __init__(self, pid, binary):
        self.memory = pathlib.Path(f"/proc/{pid}/mem")
        self.notes = tools.read_notes(str(binary))
        assert {note.name for note in self.notes} >= {"query__start", "query__end"}, self.notes
        position_independent = pathlib.Path(binary).read_bytes()[16:18] == b"\x03\x00"
        first = re.search(r"^([0-9a-f]+)-\S+ \S+ 00000000 .*/", pathlib.Path(f"/proc/{pid}/maps").read_text(), re.M)
        self.base = int(first[1], 16) if position_independent else 0

    def _at(self, address, count):
        with self.memory.open("rb", buffering=0) as file:
            file.seek(self.base + address)
            return file.read(count)

    def code(self):
        """(probe, address) -> the bytes there, as the processor would run them."""
        return {(note.name, note.location): self._at(note.location, SITE_BYTES) for note in self.notes}

    def semaphores(self):
        """probe -> how many times it is watched."""
        return {note.name: int.from_bytes(self._at(note.semaphore, 2), "little") for note in self.notes}

    def untouched(self, before):
        return self.code() == before and not any(self.semaphores().values())


class KernelObjects:
    """The links, programs and maps that a process holds; gone() asks the kernel for them by their ids."""

    KINDS = ("link", "prog", "map")

    def __init__(self, pid):
        self.ids = {kind: set() for kind in self.KINDS}
        for info in pathlib.Path(f"/proc/{pid}/fdinfo").glob("*"):
            with contextlib.suppress(OSError):
                for kind, number in re.findall(r"^(link|prog|map)_id:\s+(\d+)", info.read_text(), re.M):
                    self.ids[kind].add(int(number))

    def left(self):
        return {kind: left for kind in self.KINDS
                if (left := self.ids[kind] & {one["id"] for one in harness.bpf_list(kind)})}

    def assert_gone(self):
        harness.wait_until(lambda: not self.left(), 30, lambda: f"left in the kernel: {self.left()}")


def counts(summary):
    """type -> queries that ended, without an `other` that has none."""
    return {name: figures["count"] for name, figures in summary["query_metrics"]["query_type_breakdown"].items()
            if (name, figures["count"]) != ("other", 0)}


def process_state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
