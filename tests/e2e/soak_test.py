"""Two minutes of scripts/soak: three engines at full rate and the service that watches them, under random faults."""

import sys

import harness

sys.path.append(str(harness.SOURCE / "tests" / "soak"))
import soak  # pylint: disable=wrong-import-position

SECONDS = 110
SEED = 7


class Soak(harness.Case):
    def test_two_minutes(self):
        self.assertEqual(soak.soak(SECONDS, SEED), [])


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
