"""For what may be done to a guest and to no other machine."""

import unittest


def only_in_the_guest():
    """Skips on every machine that was not booted by scripts/vm-matrix."""
    with open("/proc/cmdline", encoding="ascii") as file:
        if "outrider_results=" not in file.read():
            raise unittest.SkipTest("this changes the machine, and is for a virtual one: scripts/vm-matrix")
