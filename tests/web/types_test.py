#!/usr/bin/env python3
"""The dashboard's sources pass TypeScript's strictest checks."""

import subprocess
import unittest

from web_harness import WEB, harness, require_node


class Types(unittest.TestCase):
    def test_the_compiler_finds_nothing(self):
        done = subprocess.run(["node", WEB / "node_modules/typescript/bin/tsc", "--noEmit", "--project", WEB],
                              capture_output=True, text=True, timeout=harness.PATIENCE_SECONDS * 3, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    require_node()
    harness.main()
