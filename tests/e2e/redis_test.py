"""Redis as the distribution has it, against its own INFO commandstats: counts and failures by command, under load, in
transactions and in scripts; and a server that is started anew."""

import harness
import redis_server

LOADS = ("set", "get", "incr", "lpush", "mset")
REQUESTS = 20_000


class Redis(harness.Case):
    def setUp(self):
        self.server = redis_server.Server()
        self.addCleanup(self.server.stop)

    def watch_server(self, *arguments):
        return self.watch("--pid", self.server.pid, *arguments)

    def check_counts(self, load):
        with self.server.client() as client:
            watch = self.watch_server()
            before = self.server.command_counts(client)
            load(client)
            after = self.server.command_counts(client)
            summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        theirs = {name: (calls - before.get(name, (0, 0))[0], failed - before.get(name, (0, 0))[1])
                  for name, (calls, failed) in after.items()}
        theirs = {name: counts for name, counts in theirs.items() if counts[0]}
        theirs["INFO"] = (2, 0)  # the first was before, and the last one did not know of itself yet
        types = summary["query_metrics"]["query_type_breakdown"]
        ours = {name: (type["count"], type["failed"]) for name, type in types.items() if type["count"]}
        self.assertEqual(ours, theirs)
        return summary, types

    def test_benchmark(self):
        def load(_):
            self.server.benchmark("-t", ",".join(LOADS), "-n", REQUESTS, "-c", 20)
        _, types = self.check_counts(load)
        for name in LOADS:
            self.assertGreaterEqual(types[name.upper()]["count"], REQUESTS)

    def test_failures_transactions_and_scripts(self):
        def load(client):
            def fails(*words):
                with self.assertRaises(redis_server.RedisError):
                    client(*words)
            client("set", "text", "abc")
            for _ in range(5):
                fails("INCR", "text")
            fails("LPUSH", "text", "x")
            fails("NO_SUCH_COMMAND")  # refused before it runs: no query
            fails("GET")              # neither is one with too few arguments
            client("MULTI")
            for _ in range(3):
                client("set", "a", 1)
            client("incr", "text")
            client("lPush", "list", "x")
            client("EXEC")
            client("EVAL", "for i = 1, 4 do redis.call('incr', KEYS[1]) end redis.pcall('incr', 'text') return 1", 1, "counter")
        summary, types = self.check_counts(load)
        self.assertEqual((types["INCR"]["count"], types["INCR"]["failed"]), (5 + 1 + 5, 5 + 1 + 1))
        # Those inside EXEC and EVAL are nested: the totals have the outer ones alone.
        nested = 3 + 1 + 1 + 5
        self.assertEqual(summary["query_metrics"]["total_queries"], sum(type["count"] for type in types.values()) - nested)

    def test_what_a_slow_command_does(self):
        """A script that counts for long is on the processor."""
        with self.server.client() as client:
            watch = self.watch_server()
            client("EVAL", "local n = 0 for i = 1, 3000000 do n = n + i end return n", 0)
            summary = watch.stop_one()
        script = summary["query_metrics"]["query_type_breakdown"]["EVAL"]
        self.assertEqual(script["count"], 1)
        waits = script["waits"]
        self.assertGreater(waits["cpu_seconds"] + waits["run_queue_seconds"], 0.95 * script["avg_response_time_seconds"])

    def test_restart(self):
        watch = self.watch("--name", "redis-server")
        for _ in range(2):
            with self.server.client() as client:
                for i in range(50):
                    client("SET", "key", i)
            self.server.shut_down()
            self.server.start()
        summary = watch.stop_one()
        self.assertEqual(summary["query_metrics"]["query_type_breakdown"]["SET"]["count"], 100)


if __name__ == "__main__":
    redis_server.require()
    harness.require_kernel()
    harness.main()
