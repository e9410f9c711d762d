"""Each of the seven conditions fires while the example engine is really out of order, and is over when it is not; a
breach that is too short never fires; what a restart of the agent must not forget."""

import datetime
import os
import pathlib
import re
import signal
import time

import harness
from alerts_harness import FAULT_BEGIN, FAULT_SECONDS, AlertsCase

FAULT = f"@{FAULT_BEGIN}+{FAULT_SECONDS}"
RATE = 300
INTERVAL_NS = 200e6  # of the service that the harness starts


def rule(condition, threshold, hold="1s", more="", name=None):
    return f"""name = "{name or condition.replace('_', ' ')}"
id = "{name or condition}"
condition = "{condition}"
threshold = {threshold}
for = "{hold}"
clear_for = "1s"
{more}"""


def host_memory():
    """(total, used) bytes."""
    text = pathlib.Path("/proc/meminfo").read_text(encoding="ascii")
    total, available = (int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1]) * 1024 for key in
                        ("MemTotal", "MemAvailable"))
    return total, total - available


def unix_seconds(moment):
    return datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


class Alerts(AlertsCase):
    def run_through(self, engine, target, rules):
        """The service over the engine's whole load; returns it and the Unix time at which the load began."""
        self.configure_alerts([target], rules)
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshot")
        engine.release()
        began = time.time() + 1  # the engine's --delay
        return agent, began

    def expect_once(self, name):
        harness.wait_until(lambda: self.told(name, "resolved"), 60, f"the end of {name}: {self.told()}")
        self.assertEqual(self.story(name), ["firing", "resolved"])
        fired, over = self.told(name)
        self.assertEqual(fired["id"], over["id"])
        return fired, over

    def check_times(self, began, fired, over):
        """It began with the fault, within the intervals that a machine shared by others may lose."""
        since, end = unix_seconds(fired["since"]) - began, unix_seconds(over["at"]) - began
        self.assertGreater(since, FAULT_BEGIN - 1, fired)
        self.assertLess(since, FAULT_BEGIN + 3, fired)
        self.assertGreater(end, FAULT_BEGIN + FAULT_SECONDS - 1, over)

    @staticmethod
    def mean_seconds(rows):
        return sum(row.end_ns - row.start_ns for row in rows) / len(rows) / 1e9

    @staticmethod
    def failed_share(rows):
        return sum(not row.ok for row in rows) / len(rows)

    def test_six_conditions_fire_with_the_engine_out_of_order_and_resolve(self):
        spin = 32 * os.cpu_count()  # ms; in 30 % of the 120 queries a second that are left: every core, and some more
        faults = ("errors:30", "drop:60", "sleep:150/70", f"spin:{spin}/30", "cold")
        engine = self.engine("--threads", 64, "--rate", RATE, "--arrivals", "fixed", "--duration",
                             FAULT_BEGIN + FAULT_SECONDS + 8, "--linger", 15,
                             *(word for fault in faults for word in ("--fault", fault + FAULT)))
        agent, began = self.run_through(engine, f'pid = {engine.pid}\ndisplay_name = "engine"', [
            rule("response_time_high", '"50ms"'), rule("error_rate_high", '"10%"'), rule("cpu_usage_high", '"85%"'),
            rule("cache_hit_rate_low", '"1%"'), rule("throughput_low", RATE / 2, more='least_queries = 1'),
            rule("concurrent_queries_high", 6)])
        def left():  # the host's CPU is that of others, too
            return [alert for alert in agent.json("/api/v1/alerts")["alerts"] if alert["rule"] != "cpu_usage_high"]

        stories = {name: self.expect_once(name) for name in
                   ("response_time_high", "error_rate_high", "cache_hit_rate_low", "throughput_low",
                    "concurrent_queries_high")}
        harness.wait_until(lambda: not left(), 10, lambda: f"nothing of the engine is pending or fires: {left()}")
        stories["cpu_usage_high"] = self.expect_once("cpu_usage_high")
        rows = engine.finish()
        for name, (fired, over) in stories.items():
            with self.subTest(name):
                self.assertEqual((fired["target"], fired["severity"]), ("engine", "warning"))
                self.check_times(began, fired, over)
                self.assertIn(" ", fired["text"])
        for name, true_value in (("response_time_high", self.mean_seconds), ("error_rate_high", self.failed_share)):
            fired = stories[name][0]
            # By the engine's own record, on the monotonic clock, of the queries that ended in the interval before; two more or
            # less where the interval's reading was a moment late.
            end_ns = (unix_seconds(fired["at"]) - time.time()) * 1e9 + time.monotonic_ns()
            ended = [row for row in rows if end_ns - INTERVAL_NS <= row.end_ns < end_ns]
            true = true_value(ended)
            self.assertLess(abs(fired["value"] / true - 1), max(0.25, 2 / (true * len(ended)) if name == "error_rate_high" else 0),
                            (name, fired, true))
        self.assertLess(agent.end(), 2)

    def test_memory_fires_while_an_engine_leaks_and_resolves_when_it_is_gone(self):
        total, used = host_memory()
        leak = total * 6 / 100 / 1e6  # in four seconds
        engine = self.engine("--rate", 100, "--duration", 30, record=False)
        leaking = self.engine("--rate", 100, "--duration", 8, "--fault", f"leak:{leak / 4:.0f}@2+4", record=False)
        self.run_through(engine, f'pid = {engine.pid}\ndisplay_name = "engine"', [
            rule("memory_usage_high", f'"{used / total * 100 + 3:.3f}%"')])
        leaking.release()
        fired, _ = self.expect_once("memory_usage_high")
        self.assertEqual(fired["metric"], "system_metrics.memory_usage")
        self.assertGreater(fired["value"], used / total + 0.03)

    def test_a_breach_that_is_too_short_never_fires(self):
        engine = self.engine("--rate", RATE, "--threads", 64, "--duration", 16, *(word for second in (2, 6, 10) for word
                             in ("--fault", f"errors:50@{second}+3")), record=False)
        agent, _ = self.run_through(engine, f'pid = {engine.pid}\ndisplay_name = "engine"', [
            rule("error_rate_high", '"10%"', hold="5s"), rule("response_time_high", '"10s"', hold="0s")])

        def pending():
            return [alert for alert in agent.json("/api/v1/alerts")["alerts"] if alert["state"] == "pending"]

        harness.wait_until(pending, 30, "the breach is seen")
        engine.finish()
        # The agent may be quicker than we to see that the engine is gone.
        self.assertEqual([event for event in self.told() if event["name"] != "Target down"], [])

    def since(self, agent, name, state):
        return next((alert["since"] for alert in agent.json("/api/v1/alerts")["alerts"]
                     if (alert["name"], alert["state"]) == (name, state)), None)

    def check_that_nothing_is_forgotten_over(self, number):
        """One alert is told already, another waits for its `for`, when the agent goes and comes back."""
        engine = self.engine("--rate", RATE, "--threads", 64, "--duration", 24, "--fault", "errors:50@2+14",
                             record=False)
        agent, _ = self.run_through(engine, f'pid = {engine.pid}\ndisplay_name = "engine"', [
            rule("error_rate_high", '"10%"', name="quick"), rule("error_rate_high", '"10%"', "9s", name="patient")])
        harness.wait_until(lambda: self.told("quick", "firing"), 30, "the first alert")
        before = [self.since(agent, "quick", "firing"), self.since(agent, "patient", "pending")]
        self.assertNotIn(None, before)
        if number == signal.SIGKILL:
            time.sleep(3)  # what must survive reaches the disk within two seconds
        agent.signal(number)
        agent.wait()
        agent = self.start()
        stories = [self.expect_once(name)[0] for name in ("quick", "patient")]
        self.assertEqual([fired["since"] for fired in stories], before, "a clock began anew")
        took = unix_seconds(stories[1]["at"]) - unix_seconds(stories[1]["since"])
        self.assertGreaterEqual(took, 9)
        self.assertLess(took, 14)

    def test_a_restart_tells_nothing_twice_misses_no_end_and_stops_no_clock(self):
        self.check_that_nothing_is_forgotten_over(signal.SIGTERM)

    def test_a_kill_tells_nothing_twice_misses_no_end_and_stops_no_clock(self):
        self.check_that_nothing_is_forgotten_over(signal.SIGKILL)

    def test_a_target_that_is_not_watched_any_more_ends_its_alerts_with_the_reason(self):
        engine = self.engine("--rate", RATE, "--threads", 64, "--duration", 60, "--fault", "errors:50@1",
                             record=False)
        rules = [rule("error_rate_high", '"10%"')]
        agent, _ = self.run_through(engine, f'pid = {engine.pid}\ndisplay_name = "engine"', rules)
        harness.wait_until(lambda: self.told(event="firing"), 30, "the alert")
        self.configure_alerts([], rules)
        self.reload(agent)
        fired, over = self.expect_once("error_rate_high")
        self.assertIn("no longer watched", over["text"])

    def test_new_rules_are_taken_and_wrong_ones_are_not(self):
        engine = self.engine("--rate", RATE, "--threads", 64, "--duration", 60, "--fault", "errors:50@1",
                             record=False)
        target = f'pid = {engine.pid}\ndisplay_name = "engine"'
        agent, _ = self.run_through(engine, target, [rule("error_rate_high", '"90%"')])
        harness.wait_until(lambda: agent.snapshot("engine")["query_metrics"]["failed_queries"], 30, "failures")
        self.configure_alerts([target], [rule("error_rate_high", '"90ms"')])
        self.reload(agent, "failed_reloads")
        agent.await_line(agent.err, "rules.toml", 10)
        self.configure_alerts([target], [rule("error_rate_high", '"10%"')])
        self.reload(agent)
        harness.wait_until(lambda: self.told("error_rate_high", "firing"), 30, "the new threshold")


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
