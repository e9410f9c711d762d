"""A query that goes on for long while thousands of others come and go: it keeps its name and what it says, its target runs out of
types, which is told, and no other target does."""

import time

import harness
import postgresql_server
from service_harness import ServiceCase

MANY = 2000  # statements; there are 1,024 slots for all targets together
LONG = "SELECT pg_sleep(300), 'secret' AS slept"


class LongQuery(ServiceCase):
    def test_it_keeps_its_name_and_others_their_types(self):
        server = postgresql_server.Server()
        self.addCleanup(server.stop)
        engine = self.engine("--rate", 500, "--duration", 3)
        self.configure([f'pid = {server.pid}\ndisplay_name = "db"\nquery_text = "normalised"',
                        f'pid = {engine.pid}\ndisplay_name = "engine"'])
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace("[agent]", '[agent]\nin_flight_after = "1s"', 1), encoding="utf-8")
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("db") and agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshots")
        sleeper = server.session()
        self.addCleanup(sleeper.close)
        sleeper.send_query(LONG)
        with server.session() as session:
            for i in range(MANY):
                session.query(f"SELECT {i} AS column_{i}")
                time.sleep(0.003)  # over many intervals, at each of whose ends some are given up
            seen = agent.await_total("db", MANY)
            self.assertGreater(harness.lost(seen).get("types_full", 0), 0)
            (query,) = agent.json("/api/v1/queries?target=db&type=SELECT")["in_flight"]
            self.assertRegex(query["type"], "^SELECT [0-9a-f]{12}$")
            self.assertEqual(query["text"], "select pg_sleep(?), ? as slept")
            engine.release()
            rows = engine.finish()
            other = agent.await_total("engine", len(rows))
            self.assertEqual(harness.lost(other), {})
            types = other["query_metrics"]["query_type_breakdown"]
            self.assertEqual({name: type["count"] for name, type in types.items() if type["count"]},
                             {name: sum(row.type == name for row in rows) for name in {row.type for row in rows}})
            session.query(f"SELECT pg_cancel_backend({sleeper.pid})")
            # Then there is room again.
            harness.wait_until(lambda: not agent.json("/api/v1/queries?target=db")["in_flight"], harness.PATIENCE_SECONDS, "its end")
            def is_told_apart():
                session.query("SELECT 1 AS afterwards")
                told = agent.snapshot("db")["query_metrics"]["query_type_breakdown"].values()
                return any(type["statement"] == "select ? as afterwards" for type in told)
            harness.wait_until(is_told_apart, harness.PATIENCE_SECONDS, "room for a new statement")
        agent.end()


if __name__ == "__main__":
    postgresql_server.binaries()
    harness.require_kernel()
    harness.main()
