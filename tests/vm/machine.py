"""One virtual machine under software emulation: boots a kernel with the image, and hands on what its checks say."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import time

X86_64, ARM64 = "amd64", "arm64"
QEMU = {X86_64: "qemu-system-x86_64", ARM64: "qemu-system-aarch64"}
# The first serial port is the kernel's console, the second one carries the results. A busy machine fails the kernel's check
# of its timer, which then panics. An emulated pointer authentication, which every return would pay, is left out.
BOARDS = {X86_64: (["-cpu", "max"], ["console=ttyS0", "no_timer_check", "outrider_results=/dev/ttyS1"]),
          ARM64: (["-M", "virt,gic-version=3", "-cpu", "max,pauth=off,sve=off"],
                  ["console=ttyAMA0", "outrider_results=/dev/ttyAMA1"])}
OLDEST_QEMU = 10  # 7.2 panicked guests at random under emulation: 8 of 50 boots; 10.0: none of 60
RUNNING = set()  # processes of all machines
# The breakpoint by which a kernel rewrites its own code reaches a processor that is past it: QEMU ran a translation of before.
STALE_CODE = "Oops: int3"
BOOT_SECONDS = {X86_64: 150, ARM64: 400}  # 5 and 12 on an idle machine


def unusable_qemu(architecture=X86_64):
    """Why there is no QEMU to use here; None if there is one."""
    qemu = QEMU[architecture]
    if not shutil.which(qemu):
        return f"qemu: {qemu} is not installed; scripts/setup installs it where the distribution has version {OLDEST_QEMU}"
    said = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"version (\d+)\.", said)
    if not version or int(version[1]) < OLDEST_QEMU:
        return f"qemu: version {OLDEST_QEMU} or newer is needed, older ones let guests panic at random; this is {said.splitlines()[0]}"
    return None


def end_all():
    """From another thread than those that run machines: their runs end at once."""
    for process in list(RUNNING):
        process.kill()


class Run:
    """What one kernel's checks said: results {feature: (status, reason)}; trouble: why it ended before its last check."""

    def __init__(self, release):
        self.release = release
        self.results, self.seconds = {}, {}
        self.trouble = None
        self.current = None
        self.ended = False
        self.console = ""

    def take(self, line):
        """One line of the guest's: verb and fields, parted by tabs."""
        verb, *fields = line.split("\t")
        if verb == "begin":
            self.current = fields[0]
        elif verb == "result":
            feature, status, seconds, reason = fields
            self.results[feature] = status, reason
            self.seconds[feature] = float(seconds)
            self.current = None
        elif verb == "end":
            self.ended = True

    def failed_emulation(self):
        """Why this says nothing of the guest's programs, of which none ran, or none was to blame; None if it does."""
        if not self.ended and STALE_CODE in self.console:
            return f"{self.trouble}: its processor ran code that the kernel had rewritten ({STALE_CODE})"
        return None if self.ended or self.results or self.current else self.trouble


class Machine:
    """A guest with two processors; the second serial port carries the results, the first the kernel's own console."""

    def __init__(self, kernel, image, release, checks=(), architecture=X86_64):
        self.release, self.boot_seconds = release, BOOT_SECONDS[architecture]
        board, own_words = BOARDS[architecture]
        words = [*own_words, "quiet", "loglevel=1", "panic=-1", "root=/dev/nvme0n1", "rootfstype=ext4", "rw",
                 "init=/outrider/tests/vm/guest/init"]
        if checks:
            words.append("outrider_checks=" + ",".join(str(number) for number in checks))
        self.command = [QEMU[architecture], "-accel", "tcg,thread=multi", *board, "-smp", "2", "-m", "1024", "-display", "none",
                        "-no-reboot", "-nodefaults", "-monitor", "none", "-kernel", str(kernel), "-append", " ".join(words),
                        "-drive", f"file={image},if=none,id=root,format=raw,snapshot=on", "-device", "nvme,drive=root,serial=root"]

    def run(self, seconds, told=lambda run, line: None):
        """Runs it to its end, at most that long; `told` hears each line of results."""
        run = Run(self.release)
        with tempfile.TemporaryDirectory(prefix="outrider-vm-") as directory:
            console, results = pathlib.Path(directory) / "console", pathlib.Path(directory) / "results"
            command = [*self.command, "-serial", f"file:{console}", "-serial", f"file:{results}"]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
            RUNNING.add(process)
            try:
                self._follow(run, process, results, seconds, told)
            finally:
                process.kill()
                _, said = process.communicate()
                RUNNING.discard(process)
            run.console = console.read_text(encoding="utf-8", errors="replace") if console.exists() else ""
        if not run.ended and not run.trouble:
            where = f"during '{run.current}'" if run.current else "before its first check"
            run.trouble = f"the guest stopped {where}" + (f": {said.strip().splitlines()[-1]}" if said.strip() else "")
        return run

    def _follow(self, run, process, results, seconds, told):
        begin, read, alive = time.monotonic(), 0, True
        while alive:
            alive = process.poll() is None
            text = results.read_text(encoding="utf-8", errors="replace") if results.exists() else ""
            lines = text[read:].split("\n")[:-1]
            read += sum(len(line) + 1 for line in lines)
            for line in lines:
                run.take(line.rstrip("\r"))
                told(run, line.rstrip("\r"))
            passed = time.monotonic() - begin
            if passed > seconds or (passed > self.boot_seconds and not read):
                what = f"was not done with '{run.current}'" if run.current else "did not answer"
                run.trouble = f"the guest {what} after {passed:.0f} s"
                return
            time.sleep(0.2 if alive else 0)
