"""PostgreSQL's queries are counted to the last one: per class of statement ours are pg_stat_statements' calls and what
pgbench's script must have sent, in every protocol, and the buffer hits are those of pg_stat_database.

The watch lasts from before pgbench starts until its last backend is gone, and the test's own sessions are silent
meanwhile; pg_stat_statements knows one call more, the reset at its beginning."""

import pathlib
import threading

import harness
import postgresql_server

CLIENTS = 4
ATTACHES = 6  # under load
OWN_SELECTS = 2  # pgbench asks first how large its tables are, and whether they are partitioned
STATEMENTS = """
    SELECT upper(substring(query FROM '[A-Za-z]+')), sum(calls) FROM pg_stat_statements GROUP BY 1"""
BLOCKS = "SELECT sum(blks_hit), sum(blks_read) FROM pg_stat_database"


class PostgresqlCounts(postgresql_server.Case):
    # Small buffers, so that there are misses to count.
    SERVER_SETTINGS = {"shared_buffers": "'16MB'", "log_min_messages": "warning"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.query("CREATE EXTENSION pg_stat_statements")
        cls.server.pgbench("--initialize", "--quiet", "--scale", 5)

    def backends(self):
        """Processes that serve a client now, without asking the server."""
        found = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[1])
                title = (stat.parent / "cmdline").read_text(errors="replace")
            except (OSError, IndexError):
                continue
            found += parent == self.server.pid and "[local]" in title
        return found

    def await_no_backend(self):
        harness.wait_until(lambda: self.backends() == 0, 20, "every session's end")

    def blocks(self):
        """(hits, reads) that all sessions before this one have had."""
        hits, reads = self.server.query(BLOCKS)[0]
        self.await_no_backend()
        return int(hits), int(reads)

    def load(self, *arguments):
        """One pgbench run under watch. Returns (transactions, our summary, statements by class, (hits, reads))."""
        self.server.query("SELECT pg_stat_statements_reset()")
        self.await_no_backend()
        first, second = self.blocks(), self.blocks()
        watch = self.watch_server("--types", "keyword")
        report = self.server.pgbench("--no-vacuum", "--client", CLIENTS, *arguments)
        self.await_no_backend()
        summary = watch.stop_one()
        after = self.blocks()
        asking = [later - earlier for earlier, later in zip(first, second)]  # what one look costs itself
        touched = [later - earlier - own for earlier, later, own in zip(second, after, asking)]
        statements = {word: int(calls) for word, calls in self.server.query(STATEMENTS)}
        statements["SELECT"] -= 3  # the reset and two looks at the blocks, all before the watch
        statements["SELECT"] -= 1  # and one after it
        processed, failed = postgresql_server.transactions(report)
        self.assertEqual(failed, 0)
        return processed, summary, statements, touched

    def check(self, script, *arguments, unseen=()):
        """`script`: how often a transaction sends each class of statement. `unseen`: those of which pg_stat_statements
        misses calls."""
        processed, summary, statements, (hits, reads) = self.load(*arguments)
        expected = {word: times * processed for word, times in script.items()}
        expected["SELECT"] = expected.get("SELECT", 0) + OWN_SELECTS
        figures = summary["query_metrics"]
        ours = {word: part["count"] for word, part in figures["query_type_breakdown"].items() if part["count"]}
        self.assertEqual(ours, expected)
        for word in unseen:
            self.assertLess(statements.pop(word), ours[word])
        self.assertEqual({word: calls for word, calls in ours.items() if word not in unseen}, statements)
        self.assertEqual(postgresql_server.counters(summary), (sum(expected.values()), 0, 0, 0))
        self.assertEqual(harness.losses(summary), 0, summary["losses"])
        self.assertLessEqual(figures["peak_concurrent"], CLIENTS)
        self.check_cache(summary["cache_metrics"], hits, reads)
        return processed, summary

    def check_cache(self, ours, hits, reads):
        self.assertEqual(ours["sampled_share"], 1)
        self.assertAlmostEqual(ours["hit_rate"], hits / (hits + reads), delta=0.01)
        self.assertAlmostEqual(ours["hits"], hits, delta=0.01 * (hits + reads))
        self.assertAlmostEqual(ours["misses"], reads, delta=0.01 * (hits + reads))
        print(f"{self.id().rsplit('.', 1)[1]}: buffer hit rate {ours['hit_rate']:.4f}, theirs "
              f"{hits / (hits + reads):.4f}; hits {ours['hits']} / {hits}, misses {ours['misses']} / {reads}")

    SELECT_ONLY = {"SELECT": 1}
    SIMPLE_UPDATE = {"BEGIN": 1, "UPDATE": 1, "SELECT": 1, "INSERT": 1, "END": 1}
    TPC_B = {"BEGIN": 1, "UPDATE": 3, "SELECT": 1, "INSERT": 1, "END": 1}

    def test_select_only(self):
        processed, summary = self.check(self.SELECT_ONLY, "--select-only", "--transactions", 2000)
        self.assertEqual(processed, CLIENTS * 2000)
        self.assertEqual(summary["query_metrics"]["peak_concurrent"], CLIENTS)

    def test_simple_update(self):
        self.check(self.SIMPLE_UPDATE, "--skip-some-updates", "--transactions", 400)

    def test_tpc_b(self):
        self.check(self.TPC_B, "--transactions", 300)

    def test_extended_select_only(self):
        self.check(self.SELECT_ONLY, "--select-only", "--protocol", "extended", "--transactions", 1500)

    def test_extended_simple_update(self):
        self.check(self.SIMPLE_UPDATE, "--skip-some-updates", "--protocol", "extended", "--transactions", 300)

    def test_prepared_select_only(self):
        self.check(self.SELECT_ONLY, "--select-only", "--protocol", "prepared", "--transactions", 2000)

    def test_prepared_tpc_b(self):
        # It forgets a prepared utility statement's identity when that is executed for the first time, and counts it no
        # more: the script alone says how many there are.
        self.check(self.TPC_B, "--protocol", "prepared", "--transactions", 300, unseen=("BEGIN", "END"))

    def test_every_connection_is_followed(self):
        """A backend is forked for each transaction."""
        self.check(self.SELECT_ONLY, "--select-only", "--connect", "--transactions", 50)

    def test_an_attach_under_load_invents_no_failure(self):
        """Commands in flight while the probes come one after the other are half seen: none may look like one that
        never ended."""
        enough = threading.Event()

        def load():
            while not enough.is_set():
                self.server.pgbench("--no-vacuum", "--select-only", "--client", CLIENTS, "--time", 2)

        loading = threading.Thread(target=load)
        loading.start()
        self.addCleanup(loading.join)
        self.addCleanup(enough.set)
        queries = 0
        for _ in range(ATTACHES):
            summary = self.watch_server("--duration", "100ms").end()
            for line in summary.values():
                self.assertEqual(postgresql_server.counters(line)[1:3], (0, 0), line["query_metrics"])
                queries += line["query_metrics"]["total_queries"]
        self.assertGreater(queries, 1000)


if __name__ == "__main__":
    harness.main()
