"""How long a statement takes, against PostgreSQL's own log."""

import harness
import logged_server
from statement_checks import types_of

SLOW = "SELECT sum(i * {}) FROM generate_series(1, {}) i"


class PostgresqlTimes(logged_server.Case):
    def test_times(self):
        """What a slow statement takes is what the log says that it took: to plan and execute it, which is what pg_stat_statements has, and
        to parse it and to clean up, which it does not see."""
        self.server.query("SELECT pg_stat_statements_reset()")
        texts = [SLOW.format(i, 300_000 + i) for i in range(1, 31)]
        types, _ = self.watched(lambda: self.psql(texts))
        name, = set(types_of(texts, "postgresql"))
        theirs, = self.server.query("SELECT sum(mean_exec_time + mean_plan_time), sum(calls) FROM pg_stat_statements "
                                    "WHERE query LIKE '%generate_series%' AND query NOT LIKE '%pg_stat%'")
        self.assertEqual((types[name]["count"], int(theirs[1])), (30, 30))
        mean = types[name]["avg_response_time_seconds"]
        logged = [ms for text, _, ms in self.log_entries() if text.rstrip("\n;") in texts]
        self.assertEqual(len(logged), 30)
        whole, seen = sum(logged) / 30, float(theirs[0])
        print(f"mean: ours {mean * 1e3:.3f} ms, the log's {whole:.3f} ms, of which pg_stat_statements sees {seen:.3f} ms")
        self.assertAlmostEqual(mean, whole / 1e3, delta=0.01 * mean)
        self.assertTrue(0.9 * whole < seen < whole)


if __name__ == "__main__":
    harness.main()
