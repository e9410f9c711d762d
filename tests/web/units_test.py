#!/usr/bin/env python3
"""What of the dashboard needs no page, in plain node."""

import subprocess
import unittest

from web_harness import HERE, WEB, harness, require_node


class Units(unittest.TestCase):
    def test_each_part_does_what_it_says(self):
        done = subprocess.run(["node", HERE / "units.mjs", f"{WEB}/node_modules/", WEB / "src"],
                              capture_output=True, text=True, timeout=harness.PATIENCE_SECONDS * 3, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    require_node()
    harness.main()
