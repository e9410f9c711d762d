"""A real Alertmanager shows an alert of ours as active while the engine is out of order, and then does not."""

import datetime

import alertmanager_server
import harness
from alerts_harness import AlertsCase

RULE = """name = "Many Errors"
id = "many_errors"
condition = "error_rate_high"
threshold = "10%"
for = "1s"
severity = "critical"
labels = { team = "storage" }
annotation = "Look at the data file."
"""


class Alertmanager(AlertsCase):
    def test_an_alert_is_active_and_then_resolved(self):
        server = alertmanager_server.Server(self.directory)
        self.addCleanup(server.stop)
        engine = self.engine("--rate", 300, "--threads", 16, "--duration", 30, "--fault", "errors:50@1+8", record=False)
        self.configure_alerts([f'pid = {engine.pid}\ndisplay_name = "engine"\nlabels = {{ stage = "test" }}'], [RULE], f"""
[[alerts.channels]]
type = "alertmanager"
url = "{server.url}"
group_wait = "off"
""")
        agent = self.start()
        engine.release()
        alert = harness.wait_until(lambda: next(iter(server.alerts()), None), 30, "the alert in Alertmanager")
        self.assertEqual(alert["status"]["state"], "active")
        labels = alert["labels"]
        self.assertEqual({key: labels.get(key) for key in ("alertname", "severity", "target", "team", "stage")},
                         {"alertname": "Many Errors", "severity": "critical", "target": "engine", "team": "storage",
                          "stage": "test"})
        self.assertIn("error", alert["annotations"]["summary"].lower())
        self.assertGreater(self.moment(alert["endsAt"]), datetime.datetime.now(datetime.timezone.utc))
        fired = harness.wait_until(lambda: next(iter(self.told(event="firing")), None), 10, "the file says so too")
        self.assertEqual(self.moment(alert["startsAt"]), self.moment(fired["since"]))
        # It lists none that are over: what it was told last was an end in the past.
        harness.wait_until(lambda: not server.alerts(), 60, "the end of the alert in Alertmanager")
        over = harness.wait_until(lambda: next(iter(self.told(event="resolved")), None), 10, "the file says so too")
        self.assertEqual(over["id"], fired["id"])

        def counters():
            return next(one for one in agent.json("/api/v1/agent")["channels"] if one["name"] == "alertmanager")

        harness.wait_until(lambda: counters()["sent"] >= 2, 10, "begin and end are counted")
        self.assertEqual((counters()["failed"], counters()["dropped"]), (0, 0))
        self.assertLess(agent.end(), 2)

    @staticmethod
    def moment(text):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


if __name__ == "__main__":
    alertmanager_server.require()
    harness.require_kernel()
    harness.main()
