"""The agent against the engines' own count: Redis's INFO and PostgreSQL's pg_stat_statements. Where nothing is lost there is no
difference, under load, over a restart; where something is (an engine is compared with another one, which nobody watches) the
difference is exactly that; and what cannot be asked is said, and costs nothing else."""

import os
import signal

import harness
import postgresql_server
import redis_server
from service_harness import ServiceCase

class Audit(ServiceCase):
    def audited(self, pid, source):
        """An agent that watches the process and asks the source each second."""
        self.configure([f'pid = {pid}\ndisplay_name = "engine"\naudit = "{source}"'], agent='audit_interval = "1s"')
        return self.start()

    def audit(self, agent):
        return agent.json("/api/v1/targets")["targets"][0]["audit"]

    def await_audit(self, agent, condition, what):
        def seen():
            audit = self.audit(agent)
            return audit if audit and condition(audit) else None
        return harness.wait_until(seen, harness.PATIENCE_SECONDS, lambda: f"{what}: {self.audit(agent)}")

    def await_comparison(self, agent, after_ms=0):
        return self.await_audit(agent, lambda audit: audit["comparison"] and audit["comparison"]["compared_ms"] > after_ms,
                                "a comparison")["comparison"]

    def await_known(self, agent, queries):
        """The comparison in which the engine has counted that many."""
        return self.await_audit(agent, lambda audit: audit["comparison"] and audit["comparison"]["engine_queries"] >= queries,
                                f"{queries} queries")["comparison"]


class Redis(Audit):
    def server(self):
        server = redis_server.Server()
        self.addCleanup(server.stop)
        return server

    def test_under_load_there_is_no_difference(self):
        server = self.server()
        agent = self.audited(server.pid, f"unix://{server.socket}")
        self.await_comparison(agent)
        for _ in range(3):
            server.benchmark("-t", "set,get", "-n", 20_000, "-c", 20)
        comparison = self.await_known(agent, 120_000)
        self.assertEqual(comparison["difference"], 0, comparison)
        later = self.await_comparison(agent, comparison["compared_ms"] + 2_000)
        self.assertEqual(later["difference"], 0, later)
        self.assertLess(later["uncertainty"], 100, "nothing but the audit ran around the first reading and the last")
        metrics = agent.text("/metrics")
        self.assertRegex(metrics, r'llmkg_audit_difference_queries\{target="engine"\} 0\n')
        self.assertRegex(metrics, r'llmkg_audit_readings_total\{target="engine",result="read"\} [1-9]')

    def test_what_nobody_saw_is_the_difference(self):
        watched, other = self.server(), self.server()
        agent = self.audited(watched.pid, f"unix://{other.socket}")
        with other.client() as client:
            self.await_comparison(agent)
            audit = self.audit(agent)
            for i in range(1_000):
                client("SET", "key", i)
        # The audit's own questions are among them, one a reading.
        comparison = self.await_known(agent, 1_000)
        asked = comparison["engine_queries"] - 1_000
        self.assertGreaterEqual(asked, 1)
        self.assertLessEqual(asked, self.audit(agent)["readings"] + 1)
        self.assertEqual(comparison["difference"], comparison["engine_queries"], (audit, comparison))
        agent.await_line(agent.err, "more than were seen", harness.PATIENCE_SECONDS)

    def test_a_restart_and_a_reset_begin_anew(self):
        server = self.server()
        self.configure([f'exe = "{os.readlink(f"/proc/{server.pid}/exe")}"\ndisplay_name = "engine"\naudit = "unix://{server.socket}"'],
                       agent='audit_interval = "1s"')
        agent = self.start()
        self.await_comparison(agent)
        with server.client() as client:
            for i in range(500):
                client("SET", "key", i)
            self.await_known(agent, 500)
            client("CONFIG", "RESETSTAT")
        self.assert_anew(agent, 1)
        server.shut_down()
        server.start()
        self.assert_anew(agent, 2)

    def assert_anew(self, agent, restarts):
        anew = self.await_audit(agent, lambda audit: audit["restarts"] == restarts and audit["comparison"], "a restart")
        self.assertLess(anew["comparison"]["engine_queries"], 100)
        self.assertEqual(anew["comparison"]["difference"], 0)

    def test_commands_within_commands(self):
        server = self.server()
        agent = self.audited(server.pid, f"unix://{server.socket}")
        self.await_comparison(agent)
        with server.client() as client:
            for i in range(200):
                client("MULTI")
                for word in ("SET", "GETSET"):
                    client(word, "key", i)
                client("EXEC")
                client("EVAL", "redis.call('set', KEYS[1], 1); return redis.call('get', KEYS[1])", 1, "key")
        # MULTI, EXEC with two, EVAL with two.
        comparison = self.await_comparison(agent, self.await_known(agent, 200 * 7)["compared_ms"])
        self.assertEqual(comparison["difference"], 0, comparison)
        self.assertLess(comparison["uncertainty"], 100, comparison)

    def test_a_budget_leaves_nothing_to_compare(self):
        server = self.server()
        self.configure([f'pid = {server.pid}\ndisplay_name = "engine"\naudit = "unix://{server.socket}"\nmax_overhead = "0.01%"'],
                       agent='audit_interval = "1s"')
        agent = self.start()
        def shed():
            server.benchmark("-t", "set", "-n", 5_000)
            return "part of the time" in (self.audit(agent)["error"] or "")
        harness.wait_until(shed, harness.PATIENCE_SECONDS, "probes that are on for part of the time")
        self.assertIsNone(self.audit(agent)["comparison"])

    def test_nobody_there(self):
        server = self.server()
        agent = self.audited(server.pid, f"unix://{self.directory}/none")
        audit = self.await_audit(agent, lambda audit: audit["failed_readings"] >= 2, "a failure")
        self.assertIn("No such file or directory", audit["error"])
        self.assertIsNone(audit["comparison"])
        agent.await_line(agent.err, "engine: not audited: Redis at", 5)
        with server.client() as client:
            client("PING")
        agent.await_total("engine", 1)

    def test_an_engine_that_stands_still_holds_nobody_up(self):
        server, hanging = self.server(), self.server()
        agent = self.audited(server.pid, f"unix://{hanging.socket}")
        self.await_comparison(agent)
        pid = hanging.pid
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        os.kill(pid, signal.SIGSTOP)
        self.await_audit(agent, lambda audit: audit["failed_readings"] >= 1, "a failure")
        with server.client() as client:
            client("PING")
        agent.await_total("engine", 1)
        agent.end()  # in the middle of a reading that nothing answers


class Postgresql(Audit):
    @classmethod
    def setUpClass(cls):
        cls.server = postgresql_server.Server()
        cls.addClassCleanup(cls.server.stop)
        cls.server.directory.chmod(0o755)  # root without privileges is another user like any
        cls.server.query("CREATE EXTENSION pg_stat_statements")
        cls.source = f"postgresql://postgres@/postgres?host={cls.server.directory}&port={postgresql_server.PORT}"

    def test_under_load_there_is_no_difference(self):
        agent = self.audited(self.server.pid, self.source)
        self.await_comparison(agent)
        self.server.pgbench("-i", "-s", 1)
        # BEGIN is left to the simple protocol: prepared, PostgreSQL 15 counts it when it runs for the first time only.
        self.server.pgbench("-N", "-c", 4, "-t", 500)
        self.server.pgbench("-S", "-M", "prepared", "-c", 4, "-t", 2_000)
        comparison = self.await_known(agent, 18_000)
        later = self.await_comparison(agent, comparison["compared_ms"] + 2_000)
        self.assertEqual(later["difference"], 0, later)
        self.server.query("SELECT pg_stat_statements_reset()")
        self.await_audit(agent, lambda audit: audit["restarts"] == 1, "a restart")

    def test_a_database_without_the_extension(self):
        agent = self.audited(self.server.pid, self.source.replace("/postgres?", "/template1?"))
        audit = self.await_audit(agent, lambda audit: audit["failed_readings"] >= 1, "a failure")
        self.assertRegex(audit["error"], "PostgreSQL: ERROR:.*does not exist: CREATE EXTENSION pg_stat_statements in that database")


if __name__ == "__main__":
    redis_server.require()
    postgresql_server.binaries()
    harness.require_kernel()
    harness.main()
