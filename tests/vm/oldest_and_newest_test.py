#!/usr/bin/python3
"""The oldest kernel that the agent works on and the newest that Debian has, each in an emulated machine: what works there
is what tests/vm/expected.toml says. scripts/vm-matrix does it for all kernels of that table."""

import os
import pathlib
import subprocess
import sys

# Not those that repeat what others show on this machine's own kernel: the test shall take three minutes.
FEATURES = ("doctor", "programs_multi", "programs_perf", "counts_full", "counts_light", "agent_killed", "service", "nop10", "nop5",
            "cpu_unplugged", "clock_set", "unit")
SOURCE = pathlib.Path(os.environ.get("OUTRIDER_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("OUTRIDER_BUILD", SOURCE / "build"))

if __name__ == "__main__":
    # Its skip is the test's, with the same exit code.
    sys.exit(subprocess.run([SOURCE / "scripts" / "vm-matrix", "--kernels", "oldest,newest", "--only", ",".join(FEATURES),
                             "--build", BUILD], stdin=subprocess.DEVNULL, check=False).returncode)
