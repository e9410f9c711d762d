"""What the kernel makes of probe sites, read from the memory of the probed process: the 10-byte nop becomes a call only
where that is safe, and a bare 5-byte nop never; on arm64 the one nop becomes a breakpoint. Nothing of it is left, whether the
agent ends in order or is killed."""

import contextlib
import ctypes
import errno
import pathlib
import re
import signal
import struct
import subprocess
import tempfile

import harness

NOP10 = bytes.fromhex("662e0f1f840000000000")
NOP10_OPCODE = NOP10[:5]  # the rest is an address that nobody reads: a kernel may leave there what it likes
NOP5 = bytes.fromhex("0f1f440000")
NOP, BREAKPOINT, CALL = b"\x90", b"\xcc", 0xe8
ARM64_NOP, ARM64_BREAKPOINT = bytes.fromhex("1f2003d5"), bytes.fromhex("a00020d4")  # brk #5: the kernel's, for uprobes
SYS_UPROBE = 336
TRAMPOLINE = "[uprobes-trampoline]"
KILLED_SECONDS = 30  # within which the kernel has put away what a killed process had
REFUSAL = "a 5-byte nop: this kernel would turn it into a call"


def generation():
    """How this kernel optimises probes on nops, by its own system call for them: "safe" (10 bytes), "unsafe" (5), None."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(SYS_UPROBE) < 0
    return {errno.EPROTO: "safe", errno.ENXIO: "unsafe"}.get(ctypes.get_errno())


def mappings(pid):
    """(begin, end, offset, name) of each."""
    lines = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    found = [re.match(r"(\w+)-(\w+) \S+ (\w+) \S+ \S+\s*(.*)", line) for line in lines]
    return [(int(match[1], 16), int(match[2], 16), int(match[3], 16), match[4]) for match in found]


def listed(pid):
    done = subprocess.run([harness.OUTRIDER, "probes", "--pid", str(pid)], capture_output=True, text=True, timeout=120,
                          check=False)
    return done.stdout


def sites_of(pid):
    """{probe: address in its memory}, from the file offsets that `outrider probes` lists of its executable."""
    executable = pathlib.Path(f"/proc/{pid}/exe").resolve()
    own = next(part for part in re.split(r"^(?=/)", listed(pid), flags=re.M) if part.startswith(f"{executable}:"))
    found = {}
    for name, offset in re.findall(r"^  \w+:(\w+)  at (0x\w+) ", own, re.M):
        offset = int(offset, 16)
        found[name] = next(begin + offset - start for begin, end, start, path in mappings(pid)
                           if path == str(executable) and start <= offset < start + end - begin)
    return found


def probe_notes(elf):
    """The contents of its .note.stapsdt, where the file's headers of sections say that it is."""
    (headers,), (size, count, names) = struct.unpack_from("<Q", elf, 0x28), struct.unpack_from("<HHH", elf, 0x3a)
    sections = [struct.unpack_from("<IIQQQQ", elf, headers + number * size) for number in range(count)]
    for name, _, _, _, offset, length in sections:
        if elf.startswith(b".note.stapsdt\0", sections[names][4] + name):
            return elf[offset:offset + length]
    return b""


def semaphores_of(pid):
    """{probe: how many watch it}, of those of its executable that have such a count. The guest has no readelf."""
    executable = pathlib.Path(f"/proc/{pid}/exe").resolve()
    elf, at, found = executable.read_bytes(), 0, {}
    notes = probe_notes(elf)
    base = next(begin for begin, _, start, path in mappings(pid) if path == str(executable) and start == 0)
    position_independent = elf[16:18] == b"\x03\x00"
    while at < len(notes):
        name_size, size, _ = struct.unpack_from("<III", notes, at)
        at += 12 + -name_size % 4 + name_size
        semaphore, name = struct.unpack_from("<16xQ", notes, at)[0], notes[at + 24:at + size].split(b"\0")[1].decode()
        at += -size % 4 + size
        if semaphore:
            count = memory(pid, semaphore + (base if position_independent else 0), 2)
            found[name] = int.from_bytes(count, "little")
    return found


def memory(pid, address, count=11):
    with open(f"/proc/{pid}/mem", "rb") as file:
        file.seek(address)
        return file.read(count)


def call_targets(code, address):
    """Where each call goes that these bytes may hold."""
    for at in range(len(code) - 4):
        if code[at] == CALL:
            yield address + at + 5 + struct.unpack_from("<i", code, at + 1)[0]


def calls_trampoline(pid, code, address):
    areas = [(begin, end) for begin, end, _, name in mappings(pid) if name == TRAMPOLINE]
    return any(begin <= target < end for target in call_targets(code, address) for begin, end in areas)


def on_an_engine(look):
    """Its result for an engine under load, and where that has its two probes of queries."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        engine = harness.Engine("--threads", 2, "--rate", 2000, "--duration", 600, "--data-dir", directory)
        try:
            places = {name: at for name, at in sites_of(engine.pid).items() if name in ("query__start", "query__end")}
            assert len(places) == 2, listed(engine.pid)
            return look(engine, places)
        finally:
            engine.kill()


def ten_byte_nops():
    return on_an_engine(look_at_ten_byte_nops)


def plain_nops():
    return on_an_engine(look_at_plain_nops)


def look_at_plain_nops(engine, places):
    def is_breakpoint(name, code, _):
        assert code[:4] == ARM64_BREAKPOINT, f"{name} is not as it should be: {code.hex(' ')}"

    for name, address in places.items():
        code = memory(engine.pid, address, 4)
        assert code == ARM64_NOP, f"{name} is not a nop: {code.hex(' ')}"
    for end in ENDS:  # each time on what the one before left
        watch_once(engine, places, is_breakpoint, end)
        assert_nothing_left(engine.pid, places, ARM64_NOP, end)
    assert engine.running, engine.describe()
    return "ok", ""


def look_at_ten_byte_nops(engine, places):
    for name, address in places.items():
        assert memory(engine.pid, address) == NOP + NOP10, name
    optimised = generation() == "safe"

    def is_as_it_should_be(name, code, address):
        if optimised:
            assert code[:1] == NOP and calls_trampoline(engine.pid, code, address), f"{name} is not optimised: {code.hex(' ')}"
        else:
            assert code == BREAKPOINT + NOP10, f"{name} is not as it should be: {code.hex(' ')}"
            assert not calls_trampoline(engine.pid, code, address)

    for end in ENDS:  # each time on what the one before left
        watch_once(engine, places, is_as_it_should_be, end)
        assert_nothing_left(engine.pid, places, NOP + NOP10_OPCODE, end)
    assert engine.running, engine.describe()
    return ("ok", "") if optimised else ("skipped", "this kernel optimises no nop10; the nop before it has a breakpoint")


def killed(watch):
    """Ends it with no time to take its probes off: the kernel has to."""
    links = watch.links | harness.bpf_links_of(watch.pid)
    watch.signal(signal.SIGKILL)
    assert watch.wait() == -signal.SIGKILL, watch.describe()
    harness.assert_links_gone(links)


# The last one finds what a killed one left.
ENDS = (harness.Watch.stop_one, killed, harness.Watch.stop_one)


def left(pid, places, beginning):
    """What of the probes is still there, as sentences: each site begins as it did, and nobody is said to watch."""
    codes = {name: memory(pid, address) for name, address in places.items()}
    sentences = [f"{name} is left: {code.hex(' ')}" for name, code in codes.items() if not code.startswith(beginning)]
    semaphores = semaphores_of(pid)
    return sentences + ([f"somebody watches still: {semaphores}"] if any(semaphores.values()) else [])


def assert_nothing_left(pid, places, beginning, end):
    """At once where the watch ended in order; what a killed one had is the kernel's to put away, when it comes to it."""
    if end is killed:
        with contextlib.suppress(AssertionError):
            harness.wait_until(lambda: not left(pid, places, beginning), KILLED_SECONDS, "")
    for name, address in places.items():
        print(f"{name} afterwards: {memory(pid, address).hex(' ')}")
    still = left(pid, places, beginning)
    assert not still, "; ".join(still)


def watch_once(engine, places, assert_watched, end):
    """Hands each place's name, instructions and address to that, while queries are counted there; then ends the watch like
    that."""
    watch = harness.Watch("--pid", engine.pid, "--mode", "full", "--interval", "200ms")
    try:
        engine.release()
        enough = lambda: any(line["query_metrics"]["total_queries"] > 500 for line in watch.snapshots())
        harness.wait_until(enough, harness.PATIENCE_SECONDS, "500 queries")
        for name, address in places.items():
            code = memory(engine.pid, address)
            print(f"{name} while it is watched: {code.hex(' ')}")
            assert_watched(name, code, address)
        semaphores = semaphores_of(engine.pid)
        assert all(semaphores[name] for name in places), f"nobody is said to watch: {semaphores}"
        end(watch)
    finally:
        watch.kill()


def five_byte_nops():
    """Refused where the kernel would turn it into a call, by every way to attach; a breakpoint elsewhere."""
    engine = harness.Child([harness.BUILD / "bin" / "nop5-engine"])
    try:
        engine.await_line(engine.out, "nop5-engine", harness.PATIENCE_SECONDS)
        places = sites_of(engine.pid)
        assert len(places) == 2, listed(engine.pid)
        ways = [("--uprobes", "auto"), ("--uprobes", "perf")]
        if generation() == "unsafe":
            assert listed(engine.pid).count("REFUSED") >= 2, listed(engine.pid)
            for way in ways:
                assert_refused(engine, places, way)
            return "refused", REFUSAL
        for way in ways:
            for end in (harness.Watch.stop, killed):
                watch = harness.Watch("--pid", engine.pid, *way)
                codes = {name: memory(engine.pid, address, 5) for name, address in places.items()}
                end(watch)
                print(f"nop5 while it is watched: {codes}")
                assert codes["query__end"] == BREAKPOINT + NOP5[1:], codes
                assert_nothing_left(engine.pid, places, NOP5, end)
        return "ok", ""
    finally:
        engine.kill()


def assert_refused(engine, places, way):
    watch = harness.Watch("--pid", engine.pid, *way, wait=False)
    assert watch.wait() == 1, watch.describe()
    assert REFUSAL in "\n".join(watch.err), watch.describe()
    for name, address in places.items():
        assert memory(engine.pid, address, 5) == NOP5, f"{name} was touched"
