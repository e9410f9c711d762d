"""What is found without a rule: an engine that hangs, one that is gone and comes back, a burst of errors; and what a
silence keeps from being told until it ends."""

import json
import subprocess
import time

import harness
from alerts_harness import AlertsCase

RULE = """name = "Many Errors"
id = "many_errors"
condition = "error_rate_high"
threshold = "10%"
for = "1s"
"""


class Detection(AlertsCase):
    def by_arm(self, arm, event):
        return next((line for line in self.told(event=event) if line["arm"] == arm), None)

    def expect(self, arm, event, seconds=30):
        return harness.wait_until(lambda: self.by_arm(arm, event), seconds, f"{arm} {event}: {self.told()}")

    def watch_engine(self, target, rules=(), detector="none"):
        self.configure_alerts([f'{target}\ndisplay_name = "engine"'], rules,
                              more='[availability]\nstalled_after = "2s"\n', detector=detector)
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshot")
        return agent

    def test_a_hanging_engine_is_a_stall_until_it_goes_on(self):
        engine = self.engine("--rate", 300, "--threads", 8, "--duration", 16, "--fault", "hang:6@3", record=False)
        self.watch_engine(f"pid = {engine.pid}")
        engine.release()
        began = self.expect("stall", "firing")
        self.assertEqual(began["severity"], "critical")
        self.assertIn("in flight", began["text"])
        self.assertEqual(self.expect("stall", "resolved")["id"], began["id"])

    def test_an_engine_that_is_gone_is_down_until_it_is_back(self):
        binary = harness.copy_of_engine(self.directory)
        first = self.engine("--rate", 300, "--duration", 60, "--fault", "errors:50@0", record=False, binary=binary)
        agent = self.watch_engine(f'exe = "{binary}"', [RULE])
        first.release()
        harness.wait_until(lambda: self.told("many_errors", "firing"), 30, "the errors")
        first.kill()
        began = self.expect("down", "firing")
        # What it can no longer show is over, with the reason; that nothing comes is not told beside that it is down.
        over = harness.wait_until(lambda: next(iter(self.told("many_errors", "resolved")), None), 10, "the errors' end")
        self.assertIn("down", over["text"])
        self.assertEqual(agent.json("/api/v1/dashboard?window=1m&target=engine")["active_alerts"][0]["arm"], "down")
        second = self.engine("--rate", 300, "--duration", 60, record=False, binary=binary)
        second.release()
        self.assertEqual(self.expect("down", "resolved")["id"], began["id"])
        self.assertEqual({line["arm"] for line in self.told() if line["arm"]}, {"down"})

    def test_a_burst_of_errors_is_found_without_a_rule(self):
        engine = self.engine("--rate", 400, "--duration", 50, "--fault", "errors:20@30+8", record=False)
        self.watch_engine(f"pid = {engine.pid}", detector="default")
        engine.release()
        released = time.time()
        began = self.expect("errors", "firing", 60)
        self.assertGreater(time.time() - released, 29)
        self.assertIn("error", began["text"])
        self.assertEqual(began["metric"], "query_metrics.error_rate")
        self.assertGreater(began["value"], 0.01)  # five times what is usual, and that at least

    def silence(self, *words):
        done = subprocess.run([harness.OUTRIDER, "silence", *words, "--config", self.config], capture_output=True,
                              text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_what_is_silenced_is_told_when_the_silence_ends(self):
        engine = self.engine("--rate", 300, "--duration", 60, "--fault", "errors:50@1", record=False)
        agent = self.watch_engine(f"pid = {engine.pid}", [RULE])
        self.silence("add", "--rule", "many_errors", "--for", "1h", "--comment", "a test")
        engine.release()

        def held():
            return [alert for alert in agent.json("/api/v1/alerts")["alerts"] if alert["held"]]

        alert = harness.wait_until(held, 30, "the alert fires and is held")[0]
        self.assertEqual((alert["rule"], alert["state"]), ("many_errors", "firing"))
        time.sleep(1)
        self.assertEqual(self.told(), [])
        listed = self.silence("list")
        self.assertIn("many_errors", listed)
        silences = json.loads((self.directory / "silences.json").read_text(encoding="utf-8"))
        self.silence("expire", silences["silences"][0]["id"])
        told = harness.wait_until(lambda: next(iter(self.told("many_errors", "firing")), None), 10, "the alert is told")
        self.assertEqual(told["id"], alert["id"])


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
