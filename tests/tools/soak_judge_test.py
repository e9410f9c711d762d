#!/usr/bin/python3
"""What scripts/soak makes of its samples, on samples made by hand: what grows is told, what comes and goes is not."""

import collections
import os
import pathlib
import re
import sys
import types
import unittest

from tools import SOURCE

sys.path.append(os.path.join(SOURCE, "tests", "soak"))
import soak  # noqa: E402
import victims  # noqa: E402

STEADY = soak.Sample(0, 30.0, 20.0, 40, 9, 0, 0, 60, 0.5, 0, 0, 0)


def judged(change=lambda sample: {}, seconds=110, begun=5, exact=3, faults=None):
    """Its problems after so many seconds; `change` says what is otherwise in a sample."""
    one = soak.Soak.__new__(soak.Soak)
    samples = [STEADY._replace(second=float(second)) for second in range(0, seconds - soak.LAST_SECONDS, 1)]
    one.samples = [sample._replace(**change(sample)) for sample in samples]
    one.seconds, one.begin, one.problems = seconds, 1000.0, []
    one.victims = [types.SimpleNamespace(name=f"victim-{number}", begun=begun and one.begin + begun, exact=exact, problems=[])
                   for number in range(soak.VICTIMS)]
    disk = types.SimpleNamespace(mounted=True)
    one.adversary = soak.Adversary(1, types.SimpleNamespace(disk=disk), None)
    every = [*one.adversary.faults_there_are(), *victims.FAULTS]
    one.faults = types.SimpleNamespace(counts=collections.Counter(every if faults is None else faults))
    one.judge_growth()
    one.judge_what_was_tried()
    return one.problems


class Growth(unittest.TestCase):
    def late(self, **fields):
        return judged(lambda sample: fields if sample.second > 80 else {})

    def test_what_is_steady_is_whole(self):
        self.assertEqual(judged(), [])

    def test_what_grows_is_told(self):
        for field, value, words in (("rss_mib", 35.5, "resident memory grew by 5.50 MiB"),
                                    ("threads", 10, "threads became more: 9"),
                                    ("types", 61, "types became more: 60 after the warm-up, 61"),
                                    ("lag_ms", 60.0, "readings became late: by 0.50 ms after the warm-up, by 60.00 ms")):
            with self.subTest(field):
                (problem,) = self.late(**{field: value})
                self.assertIn(words, problem)

    def test_what_is_unknown_is_no_success(self):
        (problem,) = self.late(lag_ms=None)
        self.assertIn("readings became late", problem)

    def test_what_comes_and_goes_is_no_growth(self):
        self.assertEqual(judged(lambda sample: {"threads": 12} if sample.second % 7 == 0 else {}), [])
        stopped = lambda sample: {"lag_ms": 1660.0 if sample.second % 20 < 5 else None} if sample.second % 20 < 8 else {}
        self.assertEqual(judged(stopped), [])
        self.assertEqual(self.late(lag_ms=45.0), [], "less than a person sees")
        slow = lambda sample: {"lag_ms": 200.0 if sample.second > 80 else 90.0}
        self.assertEqual(judged(slow), [], "it was a slow machine before")

    def test_one_type_at_the_end_is_one_too_many(self):
        (problem,) = judged(lambda sample: {"types": 61} if sample.second == 94 else {})
        self.assertIn("types became more", problem)

    def test_types_that_a_slow_victim_begins_with(self):
        grows = lambda sample: {"types": min(60, int(sample.second))}
        self.assertEqual(judged(grows, begun=60), [])
        self.assertEqual(judged(grows, begun=93), [])
        self.assertEqual(len(judged(grows, begun=0)), 1)


class Tried(unittest.TestCase):
    def test_without_an_exact_episode(self):
        self.assertEqual(judged(exact=0), [f"victim-{number}: no episode was compared exactly" for number in range(soak.VICTIMS)])

    def test_without_a_kind_of_fault(self):
        (problem,) = judged(seconds=600, faults=["reload", *victims.FAULTS[1:]])
        for name in ("stop agent", "fill disk", victims.FAULTS[0]):
            self.assertIn(name, problem)
        self.assertNotIn("reload,", problem)
        self.assertEqual(judged(seconds=599, faults=[]), [])
        self.assertEqual(judged(seconds=600), [])

    def test_each_fault_of_an_episode_is_known(self):
        text = pathlib.Path(victims.__file__).read_text(encoding="utf-8")
        self.assertEqual(set(re.findall(r'self\.faults\.add\("([^"]+)"\)', text)), set(victims.FAULTS))


class Lag(unittest.TestCase):
    TEXT = """# TYPE llmkg_agent_loop_lag_seconds histogram
llmkg_agent_loop_lag_seconds_bucket{{le="0.0005"}} {}
llmkg_agent_loop_lag_seconds_bucket{{le="0.001"}} {}
llmkg_agent_loop_lag_seconds_bucket{{le="+Inf"}} {}
llmkg_agent_loop_lag_seconds_sum 2.5
"""

    def counts(self, *numbers):
        return soak.lag_counts(self.TEXT.format(*numbers))

    def test_the_median_of_what_came_since(self):
        self.assertEqual(self.counts(1, 2, 3), {0.0005: 1, 0.001: 2, float("inf"): 3})
        # Two of ten were late by seconds, for the agent was stopped.
        self.assertEqual(soak.median_of(self.counts(100, 100, 107), self.counts(103, 108, 117)), 0.001)
        self.assertEqual(soak.median_of({}, self.counts(5, 7, 10)), 0.0005)

    def test_nothing_came(self):
        self.assertIsNone(soak.median_of(self.counts(1, 2, 3), self.counts(1, 2, 3)))
        self.assertIsNone(soak.median_of({}, soak.lag_counts("nothing of that kind")))


if __name__ == "__main__":
    unittest.main()
