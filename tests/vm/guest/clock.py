"""A wall clock that somebody sets forward and back under a running service: readings are taken all the same, none has an
odd length, and what they add up to is the engine's own record."""

import json
import time

import guest
import harness
from service_harness import ServiceCase

STEPS = (3600, -7200, 3600)  # in the end it is right again, but for what the test took


def setUpModule():
    guest.only_in_the_guest()


def set_clock(seconds):
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME) + seconds)


class Clock(ServiceCase):
    def await_readings(self, written, more):
        """A busy machine may take none for seconds."""
        def count():
            return written.read_bytes().count(b"\n") if written.exists() else 0
        before = count()
        harness.wait_until(lambda: count() >= before + more, harness.PATIENCE_SECONDS, f"{more} more readings")

    def test_set_forward_and_back(self):
        written = self.directory / "readings.jsonl"
        engine, agent = self.engine_and_agent("--duration", 8, more=f'[export.json]\npath = "{written}"\n')
        engine.release()
        for step in STEPS:
            self.await_readings(written, 10)
            set_clock(step)
        rows = engine.finish()
        snapshot = agent.await_total("engine", len(rows))
        self.assert_counts_equal(rows, snapshot)
        self.assertEqual(agent.status("/readyz"), 200)
        agent.end()
        readings = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
        self.assertEqual(sum(one["query_metrics"]["interval_queries"] for one in readings), len(rows))
        # Both clocks were jumped over by an hour and more, and no reading claims to be as long.
        stamps = sorted(one["timestamp"] for one in readings)
        self.assertNotEqual(stamps[0][:13], stamps[-1][:13], "the clock was not set")
        for one in readings:
            self.assertGreater(one["interval_seconds"], 0)
            self.assertLess(one["interval_seconds"], 5)
            self.assertLess(one["query_metrics"]["queries_per_second"], 10_000)
