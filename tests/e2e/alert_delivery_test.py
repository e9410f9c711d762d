"""1,000 incidents while the webhook is down: each is delivered, at least once, by an id of its own and in order, or counted
as dropped; meanwhile another channel is told at once."""

import collections
import http.server
import json
import os
import threading
import time

import harness
from alerts_harness import AlertsCase
from service_harness import free_port

RULES, TYPES = 10, 100
INCIDENTS = RULES * TYPES
DOWN_SECONDS = float(os.environ.get("OUTRIDER_WEBHOOK_DOWN", "10"))
REFUSED_FIRST = 2  # requests that are answered with 500 once it is back


class Receiver:
    """A webhook's other end; not listening before start()."""

    def __init__(self):
        self.port = free_port()
        self.alerts, self.requests = [], 0
        self._server = None

    def start(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.requests += 1
                if receiver.requests <= REFUSED_FIRST:
                    self.send_error(500)
                    return
                receiver.alerts.extend(alert for alert in body["alerts"] if alert["rule"])  # not that it is down
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()


class Delivery(AlertsCase):
    def test_every_incident_is_delivered_or_counted(self):
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        load_seconds = DOWN_SECONDS + 10
        engine = harness.Child([harness.BUILD / "bin" / "many-types", TYPES, 4, load_seconds])
        self.addCleanup(engine.kill)
        engine.await_line(engine.out, "ready", 30)
        rules = [f'''name = "Rule {number}"
id = "rule_{number}"
condition = "query_metrics.queries_per_second"
above = 0.5
types = ["*"]
''' for number in range(RULES)]
        self.configure_alerts([f'pid = {engine.pid}\ndisplay_name = "engine"'], rules, f"""
[[alerts.channels]]
type = "webhook"
url = "http://127.0.0.1:{receiver.port}/alerts"
timeout = "2s"
""", interval="1s")
        agent = self.start()
        harness.wait_until(lambda: len(self.told(event="firing")) >= INCIDENTS, 60, "the file knows of every incident")
        harness.wait_until(lambda: self.channel(agent, "webhook")["failed"] > 0, 10, "the webhook fails")
        self.assertEqual(self.channel(agent, "webhook")["sent"], 0)
        time.sleep(DOWN_SECONDS)
        receiver.start()
        engine.wait(load_seconds + 60)
        harness.wait_until(lambda: len(self.told(event="resolved")) >= INCIDENTS, 60, "the file knows of every end")
        harness.wait_until(lambda: self.channel(agent, "webhook")["queued"] == 0, 60, "the webhook's queue is empty")
        counted = self.channel(agent, "webhook")
        got = collections.Counter((alert["id"], alert["event"]) for alert in receiver.alerts)
        self.assertEqual(len(got) + counted["dropped"], 2 * INCIDENTS, counted)
        self.assertEqual(counted["dropped"], 0)
        self.assertEqual(set(got), {(line["id"], line["event"]) for line in self.told() if line["rule"]})
        self.assertEqual(len({one for one, _ in got}), INCIDENTS)
        order = collections.defaultdict(list)
        for alert in receiver.alerts:
            order[alert["id"]].append(alert["event"])
        self.assertEqual({tuple(events) for events in order.values()}, {("firing", "resolved")})
        self.assertLess(agent.end(), 2)

    @staticmethod
    def channel(agent, name):
        return next(one for one in agent.json("/api/v1/alerts")["channels"] if one["name"] == name)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
