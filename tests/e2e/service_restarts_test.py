"""A target that is stopped and started again while the service watches: its history says so once, and when it was."""

import time

import harness
from service_harness import ServiceCase

AWAY_SECONDS = 3
LOAD = ("--threads", 1, "--rate", 100, "--duration", 200)


class ServiceRestarts(ServiceCase):
    def starts(self, agent, **parameters):
        """As Unix seconds, of the last minutes."""
        query = "&".join(f"{name}={value}" for name, value in {"target": "engine", "since": "4m", **parameters}.items())
        return [start / 1000 for start in agent.json(f"/api/v1/charts?{query}")["restarts"]]

    def run_engine(self, binary):
        """And the times between which it began."""
        before = time.time()
        engine = self.engine(*LOAD, binary=binary, record=False, hold=False, delay=0)
        return engine, before, time.time()

    def test_a_restart_is_told_once_and_when_it_was(self):
        binary = harness.copy_of_engine(self.directory)
        first, _, _ = self.run_engine(binary)
        self.configure([f'exe = "{binary}"\ndisplay_name = "engine"'], interval="1s")
        agent = self.start()
        agent.await_total("engine", 300)
        time.sleep(3)
        self.assertEqual(self.starts(agent), [], "it has run on")
        first.kill()
        time.sleep(AWAY_SECONDS)
        self.assertEqual(self.starts(agent), [], "it is down, and not started")
        _, before, after = self.run_engine(binary)
        harness.wait_until(lambda: self.starts(agent), 30, "the restart")
        time.sleep(3)
        for parameters in ({}, {"step": "10s"}, {"type": harness.INTENTS[0]}):
            with self.subTest(parameters):
                # In a step in which the process before was older, the start is told by the next step.
                found = harness.wait_until(lambda: self.starts(agent, **parameters), 30, "the restart")
                self.assertEqual(len(found), 1, found)
                # The kernel keeps starts by hundredths of a second, and a reading is some ms from the full one; a step
                # that is not over yet is taken for shorter than it is.
                self.assertGreater(found[0], before - 1)
                self.assertLess(found[0], after + (12 if "step" in parameters else 1))
        agent.end()
        # The service itself comes back, and nothing else did.
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "a snapshot")
        time.sleep(3)
        again = self.starts(agent)
        self.assertEqual(len(again), 1, again)
        self.assertAlmostEqual(again[0], found[0] if len(found) == 1 else 0, delta=12)
        agent.end()


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
