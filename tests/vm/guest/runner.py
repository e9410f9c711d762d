"""Runs the checks in the guest, one after the other, and says how each ended: a line of fields parted by tabs to the device
that the kernel's command line names (see Run.take in machine.py). What the tests print goes to the console.

Ends with 3 when what is left to be checked needs systemd, which then runs this once more with --under-systemd."""

import os
import pathlib
import platform
import sys
import time
import traceback

ROOT = pathlib.Path("/outrider")
# An emulated processor is that much slower, and shares a real one with the other guest: less load, more patience.
os.environ.update(OUTRIDER_SOURCE=str(ROOT), OUTRIDER_BUILD=str(ROOT / "build"), OUTRIDER_TEST_SLOWNESS="10")
sys.path[:0] = [str(ROOT / "tests/vm/guest"), str(ROOT / "tests/e2e")]

import checks  # noqa: E402


LEFT_FOR_SYSTEMD = 3


def told_by_kernel(name):
    """A word of the kernel's command line: a service of systemd's has none of them as variables."""
    words = pathlib.Path("/proc/cmdline").read_text(encoding="ascii").split()
    return next((word.partition("=")[2] for word in words if word.startswith(name + "=")), "")


def run_check(check):
    try:
        return check()
    except Exception as error:  # whatever it is, the other checks are still to be run
        traceback.print_exc()
        return "FAILED", (str(error) or repr(error)).splitlines()[0]


def run_all(wanted, under_systemd, tell):
    """Runs those that are wanted (none: all), and the doctor before them: on a kernel that is too old nothing else is tried.
    Returns whether something is left for systemd."""
    too_old, left = False, False
    for name, check in checks.CHECKS.items():
        told = not wanted or name in wanted
        if not told and name != "doctor" or under_systemd and name not in checks.UNDER_SYSTEMD:
            continue
        if told and not under_systemd:
            tell("begin", name)
        if name in checks.UNDER_SYSTEMD and not under_systemd and not too_old:
            left = True
            continue
        print(f"\n==== {name} ====", flush=True)
        begin = time.monotonic()
        status, reason = checks.not_tried() if too_old else run_check(check)
        too_old = too_old or (name == "doctor" and status == "refused")
        if told:
            tell("result", name, status, f"{time.monotonic() - begin:.1f}", reason[:300])
    return left


def main():
    under_systemd = "--under-systemd" in sys.argv
    device = open(told_by_kernel("outrider_results"), "w", buffering=1, encoding="utf-8")

    def tell(*fields):
        device.write("\t".join(" ".join(str(field).split()) for field in fields) + "\n")

    wanted = [name for name in told_by_kernel("outrider_checks").split(",") if name]
    if not under_systemd:
        tell("kernel", platform.release())
    left = run_all(wanted, under_systemd, tell)
    if not left:
        tell("end")
    device.close()
    return LEFT_FOR_SYSTEMD if left else 0


if __name__ == "__main__":
    sys.exit(main())
