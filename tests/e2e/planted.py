"""Planted secrets: in statements of an engine, and nowhere that the service leaves anything."""

import urllib.error

import harness
from service_harness import ServiceCase

SECRET = "PlantedSecret"
NUMBER = "48151623420042"
PLANTED = (SECRET.encode(), SECRET.lower().encode(), SECRET.upper().encode(), NUMBER.encode())
ANSWERS = ("snapshot?format=json&", "snapshot?format=prometheus&", "snapshot?format=influxdb&", "history?metric=p99&", "trends?", "targets?",
           "alerts?", "dashboard?", "charts?since=60s&", "types?since=60s&", "live?", "queries?", "agent?")


class PlantedCase(ServiceCase):
    """`engine(case)` of check() is a server or a program with a pid: `target` is what its configuration needs besides, and pass_them()
    has it run as many `queries` as that says."""

    def answer(self, agent, path):
        """Of too short a history there are no trends; a refusal is an answer too."""
        try:
            return agent.text(path)
        except urllib.error.HTTPError as refusal:
            return refusal.read().decode()

    def assert_clean(self, where, data):
        for planted in PLANTED:
            hexadecimal = planted.hex(" ").encode()
            for form in (planted, hexadecimal, b", ".join(b'"0x%02x"' % byte for byte in planted)):
                at = data.find(form)
                self.assertEqual(at, -1, f"a secret is in {where}: {data[max(0, at - 200):at + 100]}")

    def check(self, engine, types="statement", text="off"):
        """The texts of all types that were seen."""
        engine = engine(self)
        written = self.directory / "readings.jsonl"
        textfile = self.directory / "outrider.prom"
        target = f'pid = {engine.pid}\ndisplay_name = "db"\ntypes = "{types}"\nquery_text = "{text}"{engine.target}'
        self.configure([target], f'[export.json]\npath = "{written}"\n[export.textfile]\npath = "{textfile}"\n')
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("db"), harness.PATIENCE_SECONDS, "the first snapshot")
        engine.pass_them()
        seen = agent.await_total("db", engine.queries)
        looked_at = 0
        for path in ANSWERS:
            self.assert_clean(path, self.answer(agent, f"/api/v1/{path}target=db").encode())
        self.assert_clean("/metrics", agent.text("/metrics").encode())
        for name, dump in harness.map_dumps(agent.pid):
            self.assert_clean(f"the map {name}", dump.encode())
            looked_at += 1
        self.assertGreater(looked_at, 5)
        agent.end()
        files = [path for path in self.directory.rglob("*") if path.is_file() and path != self.config]
        self.assertIn(self.database, files)
        self.assertIn(written, files)
        for path in files:
            self.assert_clean(path, path.read_bytes())
        self.assert_clean("the log", agent.describe().encode())
        return [type.get("statement") for type in seen["query_metrics"]["query_type_breakdown"].values()]
