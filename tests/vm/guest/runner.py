"""Runs the checks in the guest, one after the other, and says how each ended: a line of fields parted by tabs to the device
that the kernel's command line names (see Run.take in machine.py). What the tests print goes to the console."""

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


def main():
    device = open(os.environ["outrider_results"], "w", buffering=1, encoding="utf-8")

    def tell(*fields):
        device.write("\t".join(" ".join(str(field).split()) for field in fields) + "\n")

    wanted = [name for name in os.environ.get("outrider_checks", "").split(",") if name]
    tell("kernel", platform.release())
    too_old = False
    for name, check in checks.CHECKS.items():
        if wanted and name not in wanted:
            continue
        tell("begin", name)
        print(f"\n==== {name} ====", flush=True)
        begin = time.monotonic()
        try:
            status, reason = checks.not_tried() if too_old else check()
        except Exception as error:  # whatever it is, the other checks are still to be run
            traceback.print_exc()
            status, reason = "FAILED", (str(error) or repr(error)).splitlines()[0]
        too_old = too_old or (name == "doctor" and status == "refused")
        tell("result", name, status, f"{time.monotonic() - begin:.1f}", reason[:300])
    tell("end")
    device.close()


if __name__ == "__main__":
    main()
