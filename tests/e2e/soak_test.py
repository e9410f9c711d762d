"""Two minutes of scripts/soak: three engines at full rate and the service that watches them, under random faults."""

import sys

import harness

sys.path.append(str(harness.SOURCE / "tests" / "soak"))
import soak  # pylint: disable=wrong-import-position

SECONDS = 110
SEED = 7


class Soak(harness.Case):
    def test_two_minutes(self):
        one = soak.soak(SECONDS, SEED)
        self.assertEqual(one.problems, [])
        for victim in one.victims:
            self.assertGreater(victim.queries, 0, victim.name)
            self.assertGreater(victim.exact + victim.bounded, 0, victim.name)
        self.assertEqual(len(one.victims), soak.VICTIMS)
        self.assertTrue(one.faults.counts)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
