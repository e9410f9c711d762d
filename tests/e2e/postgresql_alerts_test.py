"""PostgreSQL with no change: a rule on lock waits fires while sessions wait for one another's rows, one on errors while
statements fail, and both are over afterwards."""

import contextlib
import threading
import time

import harness
import postgresql_server
from alerts_harness import AlertsCase
from postgresql_protocol import ServerError

LOCKS = """name = "Lock Waits"
id = "lock_waits"
condition = "waits.lock_share"
above = "50%"
for = "1s"
least_queries = 1
"""
ERRORS = """name = "Failing Statements"
id = "failing"
condition = "error_rate_high"
threshold = "20%"
for = "1s"
least_queries = 5
"""
SLOW = """name = "Slow Updates"
id = "slow_updates"
condition = "query_metrics.avg_response_time_seconds"
above = "50ms"
types = ["UPDATE*"]
least_queries = 1
"""


class PostgresqlAlerts(postgresql_server.Case, AlertsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.query("CREATE TABLE hot AS SELECT 1 AS id, 0 AS n")

    def loop(self, until, *statements, pause=0.005):
        def run():
            with self.server.session() as session:
                while not until.is_set():
                    for statement in statements:
                        with contextlib.suppress(ServerError):
                            session.query(statement)
                    time.sleep(pause)
        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(until.set)

    def watch_server_with_alerts(self):
        self.configure_alerts([f'pid = {self.server.pid}\ndisplay_name = "db"'], [LOCKS, ERRORS, SLOW])
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("db"), harness.PATIENCE_SECONDS, "the first snapshot")
        return agent

    def expect(self, name, what, done):
        fired = harness.wait_until(lambda: next(iter(self.told(name, "firing")), None), 30, what)
        done.set()
        over = harness.wait_until(lambda: next(iter(self.told(name, "resolved")), None), 30, f"the end: {what}")
        self.assertEqual(fired["id"], over["id"])
        self.assertEqual(self.story(name), ["firing", "resolved"])
        return fired

    def test_lock_waits_fire_and_resolve(self):
        self.watch_server_with_alerts()
        calm, locked = threading.Event(), threading.Event()
        self.loop(calm, "SELECT 1")
        # Each transaction holds the row while it sleeps, and the others wait for it.
        for _ in range(6):
            self.loop(locked, "BEGIN", "UPDATE hot SET n = n + 1", "SELECT pg_sleep(0.02)", "COMMIT")
        fired = self.expect("lock_waits", "lock waits", locked)
        self.assertGreater(fired["value"], 0.5)
        slow = self.told("slow_updates", "firing")
        self.assertRegex(slow[0]["type"], "^UPDATE [0-9a-f]{12}$")
        self.assertIn(f"; {slow[0]['type']} is: update hot set n = n + ?", slow[0]["text"])
        self.assertIn("lock", slow[0]["cause"])

    def test_failing_statements_fire_and_resolve(self):
        self.watch_server_with_alerts()
        calm, failing = threading.Event(), threading.Event()
        self.loop(calm, "SELECT 1", pause=0.02)
        self.loop(failing, "SELECT 1/0")
        self.expect("failing", "failing statements", failing)


if __name__ == "__main__":
    harness.main()
